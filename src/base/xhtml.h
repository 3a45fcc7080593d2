/*
 * xhtml.h: the text of XHTML.
 */
#ifndef FHIR_XHTML_H
#define FHIR_XHTML_H

/* What a fragment shows: without its tags, each a space, and with its entities as the characters that they are. palloc'd, ended by NUL. */
extern char *fhir_xhtml_text(const char *s, int len, int *outlen);

#endif
