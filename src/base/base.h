/*
 * base.h: what base offers: errors, settings, JSON, dates, decimals, hashes, text.
 */
#ifndef FHIR_BASE_H
#define FHIR_BASE_H

#include "base/compat.h"

#include "base/date.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/form.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/json_build.h"
#include "base/json_edit.h"
#include "base/percent.h"
#include "base/settings.h"
#include "base/uuid.h"
#include "base/xhtml.h"

#endif
