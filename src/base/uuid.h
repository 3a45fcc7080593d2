/*
 * uuid.h: server-assigned ids: UUIDv7 (RFC 9562, time-ordered, monotonic within a backend) or v4, as lowercase text.
 */
#ifndef FHIR_UUID_H
#define FHIR_UUID_H

/* Writes 36 characters and a NUL, by fhir.id_format. */
extern void fhir_uuid_new(char buf[37]);

#endif
