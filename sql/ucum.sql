-- UCUM: units in base units, conversion, what is refused.
\pset format unaligned
\pset tuples_only on
SELECT u, (fhir_ucum_canonical(u)).* FROM string_to_table('m g kg mg/dL 10*3/uL 10^9/L /min {score} 1 % mm[Hg] kg.m2 kg/m2 J N.m mL/min/{1.73_m2} [lb_av] [in_i] [degF] Cel K mCel [degRe] a wk d h min s mo mmol/L umol [iU]/mL k[iU]/L [IU]/mL m[IU] g/(m.s) 10*-3.g g.m-3 g/m3 m/s2 cm-1 [ppm] L l dL dal cd Pa eV KiBy [pi].rad deg 5.4.g 100/5 m2.m-2 /4 g/m/s g/(m/s) [H] [h]', ' ') u;
\echo == none of these has a canonical form
SELECT string_agg(u, ' ') FROM string_to_table('[pH]|dB|Cel/min|Cel2|2.Cel|MG/DL|mcg||.|m/|(m|m)|m..s|m--1|m+|m0|kkg|m[lb_av]|{a{b}|{a|a}|mg/dl/|m g| m|[lb_av|10**|0|kin|m31|10*201|µg|2cm|cm2m|()|m()|()m|-m|1.5|m^2|sec', '|') u
 WHERE fhir_ucum_canonical(u) IS NOT NULL;
SELECT fhir_ucum_canonical(repeat('(', 100000)) IS NULL, fhir_ucum_canonical(repeat('[pi]30.', 1000) || 'm') IS NULL,
 fhir_ucum_canonical(repeat('m/', 20000) || 'm') IS NULL, (fhir_ucum_canonical(repeat('{x}', 1000) || '.m')).canonical;
\echo == conversion
SELECT fhir_ucum_convert(v, a, b) FROM (VALUES (98.6, '[degF]', 'Cel'), (37, 'Cel', '[degF]'), (0, 'K', 'Cel'), (5.4, 'mg', 'g'), (1, '[in_i]', 'cm'),
 (1, 'cm', '[in_i]'), (6, '[ft_i]', 'm'), (70, 'kg', '[lb_av]'), (120, 'mm[Hg]', 'kPa'), (1, 'a', 'd'), (1, '/min', 'Hz'), (1e-30, 'km', 'nm'), (1e30, 'nm', 'km')) v (v, a, b);
SELECT fhir_ucum_convert(1, 'm', 's');
SELECT fhir_ucum_convert(1, '[pH]', '[pH]');
SELECT fhir_ucum_convert(1, 'feet', 'm');
SELECT fhir_ucum_convert('NaN', 'm', 'm');
\echo == more units than the cache holds
SELECT count(DISTINCT (fhir_ucum_canonical(i || '.m')).factor) FROM generate_series(1, 3000) i;
SELECT (fhir_ucum_canonical('7.m')).factor;
