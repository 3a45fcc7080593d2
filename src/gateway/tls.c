/*
 * tls.c: TLS 1.2 and later, HTTP/1.1 only. The context is made once and then only read, by all loops.
 */
#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "log.h"

static SSL_CTX *context;

static bool
failed(const char *option, const char *file)
{
	char reason[256];

	ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
	log_error("option \"%s\": cannot use \"%s\": %s", option, file, reason);
	ERR_clear_error();
	return false;
}

/* The one protocol spoken here, if the client has it on its list; else none is agreed on. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned int in_len,
				void *arg)
{
	static const unsigned char own[] = "\x08http/1.1";

	(void) ssl;
	(void) arg;
	if (SSL_select_next_proto((unsigned char **) (uintptr_t) out, out_len, own, sizeof own - 1, in, in_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

bool
tls_open(const char *certificate, const char *key)
{
	context = SSL_CTX_new(TLS_server_method());
	if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return failed("tls-cert", certificate);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets suffice */
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		return failed("tls-cert", certificate);
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(context) != 1)
		return failed("tls-key", key);
	return true;
}

Tls *
tls_accept(int fd)
{
	SSL *ssl = SSL_new(context);

	if (ssl == NULL)
		return NULL;
	if (SSL_set_fd(ssl, fd) != 1)
	{
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}

/* What an operation's result means, in the terms of recv and send */
static ssize_t
outcome(SSL *ssl, int result)
{
	int error;

	if (result > 0)
		return result;
	error = SSL_get_error(ssl, result);
	ERR_clear_error(); /* the queue is the thread's: what stays would be taken for the next connection's */
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
	return -1;
}

ssize_t
tls_read(Tls *tls, void *data, size_t len)
{
	return outcome(tls, SSL_read(tls, data, len < INT_MAX ? (int) len : INT_MAX));
}

ssize_t
tls_write(Tls *tls, const void *data, size_t len)
{
	ssize_t n = outcome(tls, SSL_write(tls, data, len < INT_MAX ? (int) len : INT_MAX));

	if (n != 0)
		return n;
	errno = ECONNRESET;
	return -1;
}

void
tls_goodbye(Tls *tls)
{
	if (SSL_is_init_finished(tls))
		SSL_shutdown(tls);
	ERR_clear_error();
}

void
tls_close(Tls *tls)
{
	SSL_free(tls);
}
