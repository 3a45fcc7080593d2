/*
 * options.c: one table of options; each is a flag (--max-body), an environment variable
 * (FHIR_GATEWAY_MAX_BODY) and a key of the configuration file (max-body).
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"

Options opt;

typedef enum Kind
{
	TEXT,
	COUNT,
	BYTES,
	SECONDS
} Kind;

typedef struct Option
{
	const char *name;
	Kind kind;
	size_t at; /* offset in Options */
	const char *preset;
	int64_t least, most;
	const char *argument;
	const char *help;
} Option;

#define AT(field) offsetof(Options, field)
#define SECOND INT64_C(1000000)
#define GIGABYTE (INT64_C(1) << 30)

/* "auto" as a preset of pool and threads is resolved in finish() */
static const Option table[] = {
	{"config", TEXT, AT(config), "", 0, 0, "FILE", "read options from FILE (option = value)"},
	{"listen", TEXT, AT(listen), "127.0.0.1:8080", 0, 0, "ADDRESS", "host:port, [v6]:port or unix:/path"},
	{"database", TEXT, AT(database), "", 0, 0, "CONNINFO", "libpq connection string of the database"},
	{"read-database", TEXT, AT(read_database), "", 0, 0, "CONNINFO", "replica that answers reads"},
	{"base", TEXT, AT(base), "/fhir", 0, 0, "PATH", "path of the FHIR base"},
	{"public-url", TEXT, AT(public_url), "", 0, 0, "URL", "absolute URL of the base, for links"},
	{"trust-proxy", TEXT, AT(trust_proxy), "", 0, 0, "ADDRESSES", "proxies whose X-Forwarded-* are believed"},
	{"pool", COUNT, AT(pool), "auto", 1, 1000, "N", "database connections (4 x cores)"},
	{"threads", COUNT, AT(threads), "1", 1, 64, "N", "event loops"},
	{"queue", COUNT, AT(queue), "512", 0, 100000, "N", "requests that may wait for a connection"},
	{"max-connections", COUNT, AT(max_connections), "1024", 1, 100000, "N", "client connections"},
	{"max-body", BYTES, AT(max_body), "64MB", 1024, GIGABYTE - 65536, "BYTES", "largest request body"},
	{"max-header", BYTES, AT(max_header), "16kB", 1024, 1 << 20, "BYTES", "largest request header"},
	{"max-url", BYTES, AT(max_url), "8kB", 256, 1 << 20, "BYTES", "longest request target"},
	{"max-memory", BYTES, AT(max_memory), "512MB", 65536, GIGABYTE * 1024, "BYTES", "request bodies held at once"},
	{"request-timeout", SECONDS, AT(request_timeout), "30s", 10000, 86400 * SECOND, "TIME", "longest wait for the database"},
	{"idle-timeout", SECONDS, AT(idle_timeout), "60s", 10000, 86400 * SECOND, "TIME", "longest wait for a client"},
	{"drain-delay", SECONDS, AT(drain_delay), "0s", 0, 3600 * SECOND, "TIME", "unready, still accepting, on SIGTERM"},
	{"drain-timeout", SECONDS, AT(drain_timeout), "30s", 0, 3600 * SECOND, "TIME", "longest wait for requests at the end"},
	{"cors", TEXT, AT(cors), "", 0, 0, "ORIGINS", "allowed origins, separated by commas, or *"},
	{"access-log", TEXT, AT(access_log), "-", 0, 0, "FILE", "JSON lines; - standard output, off none"},
	{"gzip-level", COUNT, AT(gzip_level), "1", 0, 9, "LEVEL", "compression of answers, 0 off"},
	{"tls-cert", TEXT, AT(tls_cert), "", 0, 0, "FILE", "certificate chain (PEM): serve HTTPS"},
	{"tls-key", TEXT, AT(tls_key), "", 0, 0, "FILE", "private key (PEM)"},
};

#define TABLE_LENGTH (sizeof table / sizeof table[0])

__attribute__((noreturn)) static void
bad(const char *where, const char *name, const char *value, const char *wanted)
{
	fprintf(stderr, "fhir-gateway: %s: option \"%s\" cannot be \"%s\"\nHINT: %s\n", where, name, value, wanted);
	exit(2);
}

/* A number with a unit. Bytes: B, kB, MB, GB (powers of 1024). Times: ms, s, min, h; plain means seconds. */
static bool
parse_number(const char *s, Kind kind, int64_t *value)
{
	static const struct
	{
		const char *unit;
		Kind kind;
		double factor;
	} units[] = {{"", COUNT, 1}, {"", BYTES, 1}, {"B", BYTES, 1}, {"kB", BYTES, 1024}, {"MB", BYTES, 1 << 20}, {"GB", BYTES, 1 << 30}, {"", SECONDS, 1e6}, {"ms", SECONDS, 1e3}, {"s", SECONDS, 1e6}, {"min", SECONDS, 60e6}, {"h", SECONDS, 3600e6}};
	char *end;
	double number;

	if (!isdigit((unsigned char) s[0]))
		return false;
	errno = 0;
	number = strtod(s, &end);
	if (errno != 0)
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (units[i].kind == kind && strcmp(units[i].unit, end) == 0)
		{
			number *= units[i].factor;
			if (!(number >= 0 && number < 9e15) || (kind == COUNT && number != (double) (int64_t) number))
				return false;
			*value = (int64_t) number;
			return true;
		}
	return false;
}

static void
set(const Option *o, const char *value, const char *where)
{
	void *field = (char *) &opt + o->at;

	if (o->kind == TEXT)
	{
		free(*(char **) field);
		*(char **) field = strdup(value);
		return;
	}
	if (strcmp(value, "auto") == 0 && strcmp(o->preset, "auto") == 0)
	{
		*(int64_t *) field = 0;
		return;
	}
	if (!parse_number(value, o->kind, field))
		bad(where, o->name, value,
			o->kind == BYTES	 ? "Give bytes, as in 65536, 64kB or 16MB."
			: o->kind == SECONDS ? "Give a time, as in 500ms, 30s or 2min."
								 : "Give a whole number.");
	if (*(int64_t *) field < o->least || *(int64_t *) field > o->most)
	{
		char range[100];

		snprintf(range, sizeof range, "The range is %lld to %lld%s.", (long long) o->least, (long long) o->most,
				 o->kind == BYTES ? " bytes" : o->kind == SECONDS ? " microseconds"
																  : "");
		bad(where, o->name, value, range);
	}
}

static const Option *
find(const char *name, size_t len)
{
	for (size_t i = 0; i < TABLE_LENGTH; i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return &table[i];
	return NULL;
}

static void
read_environment(void)
{
	for (size_t i = 0; i < TABLE_LENGTH; i++)
	{
		char name[80];
		int n = snprintf(name, sizeof name, "FHIR_GATEWAY_%s", table[i].name);
		char *value;

		for (int j = 0; j < n; j++)
			name[j] = name[j] == '-' ? '_' : (char) toupper((unsigned char) name[j]);
		value = getenv(name);
		if (value != NULL)
			set(&table[i], value, name);
	}
}

static char *
trim(char *s)
{
	char *end;

	while (isspace((unsigned char) *s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char) end[-1]))
		*--end = '\0';
	return s;
}

/* Lines "option = value"; # starts a comment line; a value may stand in double quotes. */
static void
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	int number = 0;

	if (f == NULL)
	{
		fprintf(stderr, "fhir-gateway: cannot open configuration file \"%s\": %s\n", path, strerror(errno));
		exit(2);
	}
	while (getline(&line, &cap, f) >= 0)
	{
		char where[300];
		char *key = trim(line), *value;
		const Option *o;

		number++;
		snprintf(where, sizeof where, "%.250s:%d", path, number);
		if (*key == '\0' || *key == '#')
			continue;
		value = strchr(key, '=');
		if (value == NULL)
			bad(where, key, "", "Write option = value.");
		*value++ = '\0';
		key = trim(key);
		value = trim(value);
		if (*value == '"' && strlen(value) > 1 && value[strlen(value) - 1] == '"')
		{
			value[strlen(value) - 1] = '\0';
			value++;
		}
		o = find(key, strlen(key));
		if (o == NULL || strcmp(key, "config") == 0)
			bad(where, key, value, "There is no such option; fhir-gateway --help lists them.");
		set(o, value, where);
	}
	free(line);
	fclose(f);
}

static void
help(void)
{
	puts("fhir-gateway serves FHIR over HTTP from a database with the fhir extension.\n\n"
		 "Usage: fhir-gateway [OPTION VALUE]...\n\n"
		 "Every option is also an environment variable (FHIR_GATEWAY_MAX_BODY for --max-body)\n"
		 "and a key of the configuration file. Flags override the environment, that the file.\n");
	for (size_t i = 0; i < TABLE_LENGTH; i++)
		printf("  --%s %-*s %s%s%s%s\n", table[i].name, 30 - (int) strlen(table[i].name), table[i].argument,
			   table[i].help, table[i].preset[0] ? " [" : "", table[i].preset, table[i].preset[0] ? "]" : "");
	puts("  --help                            show this\n"
		 "  --version                         show the version");
}

/* Walks the flags: with `config` set only to find --config, otherwise to set all of them. */
static void
read_flags(int argc, char **argv, bool config)
{
	for (int i = 1; i < argc; i++)
	{
		const char *name = argv[i], *value;
		const Option *o;
		size_t len;

		if (strcmp(name, "--help") == 0)
		{
			help();
			exit(0);
		}
		if (strcmp(name, "--version") == 0)
		{
			puts("fhir-gateway " FHIR_VERSION);
			exit(0);
		}
		if (strncmp(name, "--", 2) != 0)
			bad("command line", name, "", "Options begin with --; fhir-gateway --help lists them.");
		name += 2;
		len = strcspn(name, "=");
		o = find(name, len);
		if (o == NULL)
			bad("command line", name, "", "There is no such option; fhir-gateway --help lists them.");
		if (name[len] == '=')
			value = name + len + 1;
		else if (++i < argc)
			value = argv[i];
		else
			bad("command line", name, "", "A value must follow.");
		if (!config || strcmp(o->name, "config") == 0)
			set(o, value, "command line");
	}
}

static void
finish(void)
{
	size_t len = strlen(opt.base);

	while (len > 0 && opt.base[len - 1] == '/')
		opt.base[--len] = '\0';
	if (len > 0 && opt.base[0] != '/')
		bad("options", "base", opt.base, "Begin the path with a slash.");
	len = strlen(opt.public_url);
	while (len > 0 && opt.public_url[len - 1] == '/')
		opt.public_url[--len] = '\0';
	if (len > 0 && strncmp(opt.public_url, "http://", 7) != 0 && strncmp(opt.public_url, "https://", 8) != 0)
		bad("options", "public-url", opt.public_url, "Begin it with http:// or https://.");
	if (strcmp(opt.access_log, "off") == 0)
		opt.access_log[0] = '\0';
	if ((opt.tls_cert[0] != '\0') != (opt.tls_key[0] != '\0'))
		bad("options", "tls-cert", opt.tls_cert, "Give both tls-cert and tls-key, or none.");
	if (opt.max_url > opt.max_header)
		opt.max_url = opt.max_header;
	if (opt.pool == 0)
		opt.pool = 4 * sysconf(_SC_NPROCESSORS_ONLN);
	if (opt.pool < opt.threads)
		opt.pool = opt.threads;
}

void
options_read(int argc, char **argv)
{
	const char *config = getenv("FHIR_GATEWAY_CONFIG");

	for (size_t i = 0; i < TABLE_LENGTH; i++)
		set(&table[i], table[i].preset, "built in");
	read_flags(argc, argv, true);
	if (opt.config[0] != '\0')
		config = opt.config;
	if (config != NULL && config[0] != '\0')
		read_file(config);
	read_environment();
	read_flags(argc, argv, false);
	finish();
}
