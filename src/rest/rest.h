/*
 * rest.h: fhir_http: all of FHIR's REST in one function (SQL: fhir_http, fhir_transaction, fhir_capabilities). Nothing is above it.
 */
#ifndef FHIR_REST_H
#define FHIR_REST_H

#endif
