/*
 * log.c: access and error log.
 *
 * Lines are collected for a tenth of a second at most and written by one write() to a file opened for appending,
 * so that the loops' lines do not mix. A log that cannot be written does not stop the service.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

#define LOG_FLUSH_BYTES 65536

int
log_open(void)
{
	int fd;

	if (opt.access_log[0] == '\0')
		return -1;
	if (strcmp(opt.access_log, "-") == 0)
		return STDOUT_FILENO;
	fd = open(opt.access_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
	{
		log_error("cannot open access log \"%s\": %s", opt.access_log, strerror(errno));
		return -2;
	}
	return fd;
}

/* "2026-01-31T12:00:00.123Z", the date part computed once a second */
static void
append_time(Buf *b)
{
	static _Thread_local time_t second = -1;
	static _Thread_local char text[32];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second)
	{
		struct tm tm;

		second = now.tv_sec;
		gmtime_r(&second, &tm);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &tm);
	}
	buf_puts(b, text);
	buf_number(b, (uint64_t) now.tv_nsec / 1000000, 3);
	buf_putc(b, 'Z');
}

/* The path, and "?name&name" of the parameters */
static void
append_target(Buf *b, const char *target)
{
	char text[512];
	size_t len = strcspn(target, "?#");
	size_t n = len < sizeof text ? len : sizeof text;
	const char *p = target + len;

	memcpy(text, target, n);
	if (*p == '?')
		for (char separator = '?'; *p == '?' || *p == '&'; separator = '&')
		{
			size_t name = strcspn(++p, "=&#");

			if (n + name + 1 < sizeof text)
			{
				text[n++] = separator;
				memcpy(text + n, p, name);
				n += name;
			}
			p += strcspn(p, "&#");
		}
	buf_json_string(b, text, n);
}

void
log_request(Loop *loop, const char *id, const char *peer, const char *method, const char *target, int status,
			uint64_t in, uint64_t out, uint64_t microseconds)
{
	Buf *b = &loop->log;

	if (loop->log_fd < 0)
		return;
	buf_puts(b, "{\"time\":\"");
	append_time(b);
	buf_puts(b, "\",\"id\":");
	buf_json_string(b, id, strlen(id));
	buf_puts(b, ",\"client\":");
	buf_json_string(b, peer, strlen(peer));
	buf_puts(b, ",\"method\":");
	buf_json_string(b, method, strlen(method));
	buf_puts(b, ",\"path\":");
	append_target(b, target);
	buf_puts(b, ",\"status\":");
	buf_number(b, (uint64_t) status, 1);
	buf_puts(b, ",\"in\":");
	buf_number(b, in, 1);
	buf_puts(b, ",\"out\":");
	buf_number(b, out, 1);
	buf_puts(b, ",\"ms\":");
	buf_number(b, microseconds / 1000, 1);
	buf_putc(b, '.');
	buf_number(b, microseconds % 1000, 3);
	buf_puts(b, "}\n");
	if (b->len > LOG_FLUSH_BYTES)
		log_flush(loop);
}

void
log_flush(Loop *loop)
{
	size_t done = 0;

	while (done < loop->log.len)
	{
		ssize_t n = write(loop->log_fd, loop->log.data + done, loop->log.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t) n;
	}
	buf_reset(&loop->log);
}

void
log_error(const char *format, ...)
{
	char line[1024];
	va_list args;
	int n = snprintf(line, sizeof line, "fhir-gateway: ");
	int m;

	va_start(args, format);
	m = vsnprintf(line + n, sizeof line - (size_t) n - 1, format, args);
	va_end(args);
	n += m < (int) sizeof line - n - 1 ? m : (int) sizeof line - n - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t) n) < 0)
		return; /* nowhere left to tell it */
}
