/*
 * tls.h: TLS on a socket that does not block, by OpenSSL, which libpq brings along.
 */
#ifndef FHIR_GATEWAY_TLS_H
#define FHIR_GATEWAY_TLS_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct ssl_st Tls;

/* Reads certificate and key; false with a message. Once, before the loops run. */
extern bool tls_open(const char *certificate, const char *key);

/* The server's side of a new connection, NULL when out of memory. Handshakes happen within the first reads. */
extern Tls *tls_accept(int fd);

/* Like recv and send: -1 with errno EAGAIN when the socket has to be waited for, in whichever direction. */
extern ssize_t tls_read(Tls *tls, void *data, size_t len);
extern ssize_t tls_write(Tls *tls, const void *data, size_t len);

/* Tells the other side that nothing follows, if that can be said without waiting. */
extern void tls_goodbye(Tls *tls);
extern void tls_close(Tls *tls);

#endif
