/*
 * model.h: the facts of FHIR R4 (4.0.1), generated and compiled in, and their lookup.
 *
 * Types are numbered densely (ModelTypeId, stable only within one build: never stored). Every backbone
 * element has a type of its own named by its path ("Observation.component"). All tables are
 * constant data, shared by all backends; no lookup allocates.
 */
#ifndef FHIR_MODEL_H
#define FHIR_MODEL_H

#include "postgres.h"

typedef uint16 ModelTypeId;
#define MODEL_NONE ((ModelTypeId) 0)

typedef enum ModelKind {
	MODEL_PRIMITIVE, /* boolean, string, dateTime ... (JSON scalar plus _name sibling) */
	MODEL_COMPLEX,	 /* HumanName, Quantity, ... incl. Element, BackboneElement, Extension */
	MODEL_BACKBONE,	 /* anonymous types, named by path */
	MODEL_RESOURCE	 /* incl. abstract Resource, DomainResource */
} ModelKind;

/* The lexical class of a primitive: what its JSON looks like and which check applies. */
typedef enum ModelPrimitive {
	PRIM_NONE,
	PRIM_BOOLEAN,
	PRIM_INTEGER,
	PRIM_POSITIVEINT,
	PRIM_UNSIGNEDINT,
	PRIM_DECIMAL,
	PRIM_STRING,
	PRIM_MARKDOWN,
	PRIM_URI,
	PRIM_URL,
	PRIM_CANONICAL,
	PRIM_OID,
	PRIM_UUID,
	PRIM_CODE,
	PRIM_ID,
	PRIM_BASE64,
	PRIM_DATE,
	PRIM_DATETIME,
	PRIM_INSTANT,
	PRIM_TIME,
	PRIM_XHTML
} ModelPrimitive;

/* One JSON property that may stand in an object of the owning type ("valueQuantity", "name", "id").
 * Sorted by (length, bytes): JSONB's own key order, so that a document can be merged against it. */
typedef struct ModelProperty {
	const char *name;	 /* JSON name */
	const char *element; /* FHIRPath name: "value" for valueQuantity, else the same */
	uint8 name_len, element_len;
	ModelTypeId type;																  /* type of the value; MODEL type "Resource" for contained and the like */
	uint16 element_index;															  /* number of the element within the type: choices of one element share it */
	uint8 is_choice : 1, is_array : 1, is_summary : 1, is_modifier : 1, required : 1; /* required: min >= 1 */
	uint16 targets;																	  /* Reference/canonical: index into model_targets (list of type ids, 0-terminated), 0 none */
	uint16 codes;																	  /* code with a required binding that R4 enumerates: see model_code_known(); 0 none */
	const char *system;																  /* code with a required binding to one code system: its URL, else NULL */
} ModelProperty;

/* A choice element ("value") and its properties: numbers within the type, from model_choice_properties[first] on. */
typedef struct ModelChoice {
	const char *name;
	uint8 name_len;
	uint16 n, first;
} ModelChoice;

typedef struct ModelType {
	const char *name;	  /* "Patient", "Observation.component", "dateTime" */
	ModelTypeId id, base; /* base: parent in the type hierarchy, MODEL_NONE for the roots */
	uint8 kind;			  /* ModelKind */
	uint8 primitive;	  /* ModelPrimitive */
	bool abstract;
	uint8 name_len, nrequired, nchoices;
	uint16 nproperties, nelements;
	const ModelProperty *properties; /* incl. inherited ones */
	const uint16 *required;			 /* mandatory elements: number of the (first) property of each */
	const ModelChoice *choices;		 /* sorted by (length, bytes) */
} ModelType;

extern const ModelType model_types[]; /* [0] is unused */
extern const int model_ntypes;
extern const ModelTypeId model_targets[];
extern const uint16 model_choice_properties[];

/* By name; NULL if unknown. Case-sensitive, as FHIR is. */
extern const ModelType *model_type(const char *name, int len);
/* As model_type, but only concrete resource types (what may be stored). */
extern const ModelType *model_resource(const char *name, int len);
#define model_type_by_id(i) (&model_types[i])
/* JSON property of a type; NULL if unknown. */
extern const ModelProperty *model_property(const ModelType *t, const char *name, int len);
/* Properties of the FHIRPath element `name` ("value" -> valueCode, valueString ...; "code" -> code) in the type's order, written to
 * out up to max. Returns how many there are, 0 if unknown. */
extern int model_element(const ModelType *t, const char *name, int len, const ModelProperty **out, int max);
/* Is t the same as, or derived from, base? */
extern bool model_is_a(ModelTypeId t, ModelTypeId base);

/* Is code one of the codes of list p->codes (not 0)? */
extern bool model_code_known(uint16 codes, const char *code, int len);
/* URL of the ValueSet of that list. */
extern const char *model_code_list_url(uint16 codes);
/* Calls fn for each code of the list (not NUL-terminated). */
extern void model_code_each(uint16 codes, void (*fn)(const char *code, int len, void *arg), void *arg);

/* Well-known types, resolved at generation time: MODEL_T_Patient ... as enum constants for every type with a plain name. */
#include "model/model_ids.h"

/* ---- search parameters ---- */
typedef enum ModelParamType {
	PARAM_NUMBER,
	PARAM_DATE,
	PARAM_STRING,
	PARAM_TOKEN,
	PARAM_REFERENCE,
	PARAM_COMPOSITE,
	PARAM_QUANTITY,
	PARAM_URI,
	PARAM_SPECIAL
} ModelParamType;

typedef struct ModelComponent {
	const char *definition; /* URL of the component's SearchParameter */
	const char *expression;
} ModelComponent;

/* One published SearchParameter. A parameter with several bases has one entry here. */
typedef struct ModelParam {
	const char *code;
	const char *url;
	const char *expression;		/* as published; NULL for a few */
	uint8 type;					/* ModelParamType */
	const ModelTypeId *bases;	/* 0-terminated */
	const ModelTypeId *targets; /* 0-terminated, may be empty; {Resource} = any */
	const ModelComponent *components;
	uint8 ncomponents;
	bool multiple_or, multiple_and;
} ModelParam;

extern const ModelParam model_params[];
extern const int model_nparams;
/* Parameter `code` as it applies to resource type t (own, DomainResource's, Resource's); NULL if none. */
extern const ModelParam *model_param(const ModelType *t, const char *code, int len);
extern const ModelParam *model_param_by_url(const char *url);
/* All parameters of t, in order of code: calls fn for each. */
extern void model_params_each(const ModelType *t, void (*fn)(const ModelParam *, void *), void *arg);

/* ---- compartments ---- */
/* The parameter codes that put type t into compartment c ("Patient" ...): NULL-terminated, NULL if t is not in c. "{def}" is given as is. */
extern const char *const *model_compartment(const char *c, const ModelType *t);

/* ---- folding, units, subsets ---- */
#include "model/fold.h"
#include "model/subset.h"
#include "model/ucum.h"

#endif
