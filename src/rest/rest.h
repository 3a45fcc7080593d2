/*
 * rest.h: fhir_http: all of FHIR's REST in one function.
 */
#ifndef FHIR_REST_H
#define FHIR_REST_H

extern void rest_init(void);

#endif
