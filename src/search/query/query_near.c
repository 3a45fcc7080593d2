/*
 * query_near.c: near=latitude|longitude[|distance[|units]] on Location.position (R4, Location, 8.7.6): true
 * distance on the globe.
 *
 * resource.ord holds latitude and longitude in 1e-7 degrees (keys.h). A box around the circle is found by the
 * index; the distance of what is in it is computed from the same values.
 */
#include "base/base.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "search/query/query.h"
#include "model/model.h"
#include "search/query/query_internal.h"

#define EARTH_RADIUS 6371008.8 /* metres, mean */
#define DEFAULT_KM 20.0		   /* R4 leaves it to the server */

static bool
number(const char *s, double *out)
{
	char *end;

	*out = strtod(s, &end);
	return end != s && *end == '\0' && isfinite(*out) && strspn(s, "+-.0123456789eE") == strlen(s);
}

/* Metres in one unit of length; false if it is none. */
static bool
metres(const char *unit, double *out)
{
	Numeric factor, offset;
	char *canonical;

	if (!ucum_canonical(unit, strlen(unit), &factor, &offset, &canonical) || strcmp(canonical, "m") != 0)
		return false;
	*out = DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(factor)));
	return true;
}

static Crit *
one_box(uint64 key, double lo, double hi)
{
	Crit *c = crit_new(CRIT_ORDERED);

	crit_add_box(c, key, (int64) floor(lo * 1e7), (int64) ceil(hi * 1e7), (int64) floor(lo * 1e7),
				 (int64) ceil(hi * 1e7));
	return c;
}

Crit *
search_near(const KeyParam *p, const KeyLeg *leg, const char *value)
{
	char **parts;
	int n = search_split(value, '|', &parts);
	double lat, lon, distance = DEFAULT_KM, unit = 1000, dlat, dlon;
	uint64 key = keys_ordered(leg->source);
	Crit *c, *lons;
	double *v = palloc(3 * sizeof(double));

	if (n < 2 || n > 4 || !number(parts[0], &lat) || !number(parts[1], &lon) || fabs(lat) > 90 ||
		fabs(lon) > 180)
		search_bad_value(p->code, value, "not of the form latitude|longitude|distance|units",
						 "For example -83.69|42.25|11.2|km.");
	if (n > 2 && *parts[2] && (!number(parts[2], &distance) || distance < 0))
		search_bad_value(p->code, value, "the distance is not a number", NULL);
	if (n > 3 && *parts[3] && !metres(search_unescape(parts[3]), &unit))
		search_bad_value(p->code, value, "the units are no UCUM unit of length",
						 "For example km, m or [mi_i].");
	distance *= unit;
	dlat = distance / EARTH_RADIUS * 180 / M_PI + 1e-6;
	c = one_box(key, lat - dlat, lat + dlat);
	if (fabs(lat) + dlat < 89) {
		/* at the far edge of the circle meridians are closest */
		dlon =
			asin(Min(1, sin(Min(distance / EARTH_RADIUS, M_PI / 2)) / cos(lat * M_PI / 180))) * 180 / M_PI +
			1e-6;
		if (distance / EARTH_RADIUS < M_PI / 2 && dlon < 179) {
			lons = one_box(keys_more(key), lon - dlon, lon + dlon);
			lons = crit_join(CRIT_OR, lons, one_box(keys_more(key), lon - dlon + 360, lon + dlon + 360));
			lons = crit_join(CRIT_OR, lons, one_box(keys_more(key), lon - dlon - 360, lon + dlon - 360));
			c = crit_join(CRIT_AND, c, lons);
		}
	}
	lons = crit_new(CRIT_NEAR);
	crit_add_key(lons, key);
	v[0] = lat;
	v[1] = lon;
	v[2] = distance;
	lons->near = v;
	return crit_join(CRIT_AND, c, lons);
}

/* Is a position in ord (key: latitude, more: longitude) within so many metres? */
PG_FUNCTION_INFO_V1(fhir_near);
Datum
fhir_near(PG_FUNCTION_ARGS)
{
	ArrayType *a = PG_GETARG_ARRAYTYPE_P(0);
	int64 key = PG_GETARG_INT64(1), more = PG_GETARG_INT64(2);
	double lat0 = PG_GETARG_FLOAT8(3) * M_PI / 180, lon0 = PG_GETARG_FLOAT8(4) * M_PI / 180,
		   limit = PG_GETARG_FLOAT8(5);
	int n = ARR_NDIM(a) == 1 ? ARR_DIMS(a)[0] : 0;
	int64 *v = (int64 *) ARR_DATA_PTR(a);
	double lat = 0, lon = 0, h;
	bool found = false;

	for (int i = 0; i + 2 < n; i += 3) {
		if (v[i] == key)
			lat = v[i + 1] / 1e7 * M_PI / 180;
		else if (v[i] == more) {
			lon = v[i + 1] / 1e7 * M_PI / 180;
			found = true;
		}
	}
	if (!found)
		PG_RETURN_BOOL(false);
	h = pow(sin((lat - lat0) / 2), 2) + cos(lat) * cos(lat0) * pow(sin((lon - lon0) / 2), 2);
	PG_RETURN_BOOL(2 * EARTH_RADIUS * asin(sqrt(Min(1, h))) <= limit);
}
