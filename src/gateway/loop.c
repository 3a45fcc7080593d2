/*
 * loop.c: the event loop.
 *
 * One epoll set watches the listening socket, the clients, the database connections and an eventfd for signals. What an
 * event leads to is done at once: a request goes to the database, an answer to its client, without another look at the
 * set. Clients that could go on without an event get their turn after the events.
 */
#include "loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "log.h"
#include "options.h"
#include "pool.h"

#define TICK UINT64_C(100000) /* how often deadlines are looked at while something is going on */
#define IDLE_TICK UINT64_C(1000000)
#define EVENTS 64

Loop *loops;
int loop_count;

static atomic_bool stopping, reopening;
static atomic_llong memory_used;

uint64_t
now_microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

bool
memory_reserve(size_t bytes)
{
	if (atomic_fetch_add(&memory_used, (long long) bytes) + (long long) bytes <= opt.max_memory)
		return true;
	atomic_fetch_sub(&memory_used, (long long) bytes);
	return false;
}

void
memory_release(size_t bytes)
{
	if (bytes > 0)
		atomic_fetch_sub(&memory_used, (long long) bytes);
}

bool
loop_watch(Loop *loop, int fd, uint32_t events, Watch *watch)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void
wake_all(void)
{
	uint64_t one = 1;

	for (int i = 0; i < loop_count; i++)
		if (write(loops[i].wake_fd, &one, sizeof one) < 0)
			continue; /* full: it is awake already */
}

void
loops_stop(void)
{
	atomic_store(&stopping, true);
	wake_all();
}

void
loops_reopen_logs(void)
{
	atomic_store(&reopening, true);
	wake_all();
}

bool
loop_open(Loop *loop, int number, int listen_fd)
{
	int share = (int) (opt.pool / opt.threads) + (number < opt.pool % opt.threads ? 1 : 0);

	loop->now = now_microseconds();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	loop->log_fd = log_open();
	if (loop->epoll_fd < 0 || loop->wake_fd < 0 || loop->log_fd == -2)
		return false;
	/* the eventfd's events carry the loop, which is no Watch */
	if (!loop_watch(loop, loop->wake_fd, EPOLLIN, (Watch *) loop) || !client_listen(loop, listen_fd))
		return false;
	loop->primary = pool_create(loop, opt.database, share, &loop->metrics.pool[0], "primary");
	if (opt.read_database[0] != '\0')
		loop->replica = pool_create(loop, opt.read_database, share, &loop->metrics.pool[1], "replica");
	return true;
}

/* Milliseconds until the next tick; none when a client can go on. */
static int
timeout(const Loop *loop, uint64_t next_tick)
{
	uint64_t now = now_microseconds();

	if (loop->later != NULL)
		return 0;
	return next_tick > now ? (int) ((next_tick - now + 999) / 1000) : 0;
}

static void
reopen_log(Loop *loop)
{
	int fd = log_open();

	if (fd < 0 || fd == STDOUT_FILENO)
		return;
	close(loop->log_fd);
	loop->log_fd = fd;
}

static void
woken(Loop *loop)
{
	uint64_t count;

	if (read(loop->wake_fd, &count, sizeof count) < 0)
		return;
	if (atomic_load(&stopping) && !loop->draining)
	{
		loop->draining = true;
		loop->drain_at = loop->now;
	}
	/* the last loop to reopen does not clear the flag: reopening twice does no harm */
	if (atomic_load(&reopening))
		reopen_log(loop);
}

/* True when all is answered, or when draining has taken too long. */
static bool
drained(Loop *loop)
{
	uint64_t age = loop->now - loop->drain_at;

	if (!loop->draining || age < (uint64_t) opt.drain_delay)
		return false;
	if (!loop->quiesced)
	{
		client_quiesce(loop);
		return false;
	}
	return (loop->requests == 0 && loop->clients == NULL) ||
		   age > (uint64_t) (opt.drain_delay + opt.drain_timeout);
}

static bool
quiet(const Loop *loop)
{
	return !loop->draining && loop->clients == NULL && loop->log.len == 0 && pool_quiet(loop->primary) &&
		   (loop->replica == NULL || pool_quiet(loop->replica));
}

static void
handle_events(Loop *loop, struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++)
	{
		Watch *watch = events[i].data.ptr;

		if ((Loop *) watch == loop)
			woken(loop);
		else
			watch->ready(watch, events[i].events);
	}
	client_run_later(loop);
}

bool
loop_run(Loop *loop)
{
	struct epoll_event events[EVENTS];
	uint64_t next_tick = 0, next_slow_tick = 0;

	while (!drained(loop))
	{
		int count = epoll_wait(loop->epoll_fd, events, EVENTS, timeout(loop, next_tick));

		loop->now = now_microseconds();
		if (count < 0 && errno != EINTR)
		{
			log_error("epoll_wait: %s", strerror(errno));
			return false;
		}
		handle_events(loop, events, count > 0 ? count : 0);
		if (loop->now >= next_tick)
		{
			pool_tick(loop->primary);
			if (loop->replica != NULL)
				pool_tick(loop->replica);
			if (loop->now >= next_slow_tick)
			{
				client_tick(loop);
				next_slow_tick = loop->now + (uint64_t) (opt.idle_timeout < 4000000 ? TICK : IDLE_TICK);
			}
			log_flush(loop);
			next_tick = loop->now + (quiet(loop) ? IDLE_TICK : TICK);
		}
		else if (next_tick > loop->now + TICK && !quiet(loop))
			next_tick = loop->now + TICK;
		client_sweep(loop);
	}
	log_flush(loop);
	return loop->requests == 0;
}
