/*
 * cancel.h: cancelling statements without blocking an event loop.
 */
#ifndef FHIR_GATEWAY_CANCEL_H
#define FHIR_GATEWAY_CANCEL_H

#include <libpq-fe.h>

/* Sends the cancel request from a thread of its own and frees it. */
extern void cancel_later(PGcancel *cancel);

#endif
