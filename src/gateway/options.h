/*
 * options.h: what the operator chose, by flag, environment or file.
 */
#ifndef FHIR_GATEWAY_OPTIONS_H
#define FHIR_GATEWAY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Options
{
	char *config;		 /* file of "option = value" lines */
	char *listen;		 /* host:port, [v6]:port or unix:/path */
	char *database;		 /* libpq connection string of the primary */
	char *read_database; /* of a replica for reads, "" if none */
	char *base;			 /* path of the FHIR base, "" or "/…" without a trailing slash */
	char *public_url;	 /* absolute URL of the base for links, "" = from the request */
	char *trust_proxy;	 /* addresses whose X-Forwarded-* are believed */
	int64_t pool;		 /* connections to each database, of all threads together */
	int64_t threads;	 /* event loops */
	int64_t queue;		 /* requests that may wait for a connection */
	int64_t max_connections;
	int64_t max_body;		 /* bytes, after decompression */
	int64_t max_header;		 /* bytes, request line included */
	int64_t max_url;		 /* bytes */
	int64_t max_memory;		 /* bytes of request bodies held at once */
	int64_t request_timeout; /* microseconds, as all times */
	int64_t idle_timeout;
	int64_t drain_delay;
	int64_t drain_timeout;
	char *cors;			/* "", "*" or origins separated by commas */
	char *access_log;	/* "-" standard output, "" none, else a file */
	int64_t gzip_level; /* 0 = off */
	char *tls_cert;
	char *tls_key;
} Options;

extern Options opt;

/*
 * Reads defaults, then the file, then the environment, then the flags, each overriding the one before.
 * Prints what is wrong and ends the process when something is; answers --help and --version likewise.
 */
extern void options_read(int argc, char **argv);

#endif
