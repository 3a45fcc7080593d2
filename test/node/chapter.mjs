/*
 * chapter.mjs: what R4's chapter on search (https://hl7.org/fhir/R4/search.html) states, each statement with searches that show it.
 *
 * `chapter`: [anchor of the section, statement, searches]; a search is [type, query, expected]: the ids of the answer ('+id':
 * included), in this order where the query sorts, 'Type/id' where the search is of several types; a number: refused with this
 * status; or a function of the Bundle (and, for a status, its text). `settled` are statements that leave the server a choice,
 * with the choice. docs/search-chapter.md is made of both (chapter.test.mjs compares).
 */
const mrn = 'http://terminology.hl7.org/CodeSystem/v2-0203';
const ucum = 'http://unitsofmeasure.org';
const q = (value, code, unit) => ({ value, ...(code && { system: ucum, code }), ...(unit && { unit }) });
const cc = (system, code, display) => ({ coding: [{ ...(system && { system }), code, ...(display && { display }) }] });
const ref = (reference, more) => ({ reference, ...more });
const obs = (id, more) => ({ resourceType: 'Observation', id, status: 'final', code: cc('http://loinc.org', 'x'), ...more });
const div = (text) => ({ status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${text}</div>` });

export const resources = [
	{ resourceType: 'Organization', id: 'o1', name: 'Acme Hospital', active: true },
	{ resourceType: 'Organization', id: 'o2', name: 'Acme Ward', partOf: ref('Organization/o1') },
	{ resourceType: 'Practitioner', id: 'joe1', name: [{ family: 'Cool', given: ['Joe'] }], address: [{ state: 'CA' }] },
	{ resourceType: 'Practitioner', id: 'ann1', name: [{ family: 'Smith', given: ['Ann'] }], address: [{ state: 'MN' }], communication: [cc('urn:ietf:bcp:47', 'fr'), cc('urn:ietf:bcp:47', 'nl')] },
	{ resourceType: 'Practitioner', id: 'fr1', communication: [cc('urn:ietf:bcp:47', 'fr')] },
	{ resourceType: 'Practitioner', id: 'nl1', communication: [cc('urn:ietf:bcp:47', 'nl')] },
	{ resourceType: 'Patient', id: 'eve', gender: 'female', birthDate: '2010-06-01', active: true, name: [{ use: 'official', family: 'Chalmers', given: ['Eve'] }], managingOrganization: ref('Organization/o2'),
		generalPractitioner: [ref('Practitioner/joe1'), ref('Practitioner/ann1')], identifier: [{ type: cc(mrn, 'MR'), system: 'http://acme.org/patient', value: '2345' }],
		meta: { tag: [{ system: 'http://acme.org/codes', code: 'needs-review' }], profile: ['http://acme.org/StructureDefinition/lipid'], security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }], source: 'http://acme.org/feed#1' },
		link: [{ other: ref('Patient/severine'), type: 'seealso' }], text: div('Lives in a lighthouse') },
	{ resourceType: 'Patient', id: 'evelyn', gender: 'female', birthDate: '2011-12-31', active: false, name: [{ family: 'Évreux', given: ['Evelyn'] }], identifier: [{ system: 'http://acme.org/patient', value: '777' }, { value: '2345' }],
		generalPractitioner: [ref('Practitioner/ann1')], address: [{ line: ['12 Garden Street'], city: 'Oslo', postalCode: '0150', country: 'NO' }], telecom: [{ system: 'phone', value: '555 1234', use: 'home' }, { system: 'email', value: 'e@acme.org' }] },
	{ resourceType: 'Patient', id: 'severine', gender: 'male', birthDate: '2009', deceasedDateTime: '2020-01-01', name: [{ family: "O'Neil, Jr.", given: ['Severine'] }], managingOrganization: { identifier: { system: 'http://acme.org/orgs', value: 'north' } } },
	{ resourceType: 'Patient', id: 'nobody', name: [{ text: '100% a|b $c \\d' }] },
	{ resourceType: 'Group', id: '101', type: 'person', actual: true, member: [{ entity: ref('Patient/eve') }] },
	{ resourceType: 'Group', id: '102', type: 'person', actual: true, member: [{ entity: ref('Patient/evelyn') }, { entity: ref('Patient/severine') }],
		characteristic: [{ code: cc(null, 'gender'), valueCodeableConcept: cc(null, 'mixed'), exclude: false }, { code: cc(null, 'ward'), valueCodeableConcept: cc(null, 'female'), exclude: false }] },
	{ resourceType: 'List', id: '42', status: 'current', mode: 'working', entry: [{ item: ref('Patient/evelyn') }, { item: ref('Patient/eve') }, { item: ref('Observation/n100') }] },
	// numbers
	...[['n99', 99.4], ['n995', 99.5], ['n99995', 99.995], ['n100', 100], ['n1004', 100.4], ['n1005', 100.5], ['n94', 94.9], ['n95', 95], ['n104', 104.9], ['n105', 105]]
		.map(([id, valueDecimal]) => ({ resourceType: 'RiskAssessment', id, status: 'final', subject: ref('Patient/eve'), prediction: [{ probabilityDecimal: valueDecimal }] })),
	// dates
	...Object.entries({
		'd-day': { effectiveDateTime: '2013-01-14' }, 'd-0000': { effectiveDateTime: '2013-01-14T00:00:00Z' }, 'd-1000': { effectiveDateTime: '2013-01-14T10:00:00Z' }, 'd-15': { effectiveDateTime: '2013-01-15T00:00:00Z' },
		'd-open': { effectivePeriod: { start: '2013-01-21' } }, 'd-until': { effectivePeriod: { end: '2013-01-21' } }, 'd-march': { effectivePeriod: { start: '2013-03-01', end: '2013-03-31' } }, 'd-16mar': { effectiveDateTime: '2013-03-16T00:00:00Z' },
		'd-zone': { effectiveDateTime: '2013-02-01T01:00:00+02:00' }, 'd-timing': { effectiveTiming: { event: ['2013-05-01', '2013-05-10'] } },
	}).map(([id, more]) => obs(id, { code: cc('http://acme.org', 'date'), ...more })),
	// quantities
	...Object.entries({ 'q-mg': q(5.4, 'mg', 'mg'), 'q-g': q(0.0054, 'g'), 'q-none': q(5.4), 'q-545': q(5.44, 'mg'), 'q-60': q(6.0, 'mg'), 'q-tab': { value: 5.4, unit: 'tablets', system: 'http://acme.org/units', code: 'TAB' } })
		.map(([id, valueQuantity]) => obs(id, { code: cc('http://acme.org', 'quantity'), valueQuantity })),
	// tokens, references
	obs('n100', { code: { text: 'Headache, severe', coding: [{ system: 'http://acme.org/conditions/codes', code: 'ha125', display: 'Headache' }] }, subject: ref('Patient/eve'), encounter: ref('Encounter/e1'), specimen: ref('Specimen/s1'),
		device: ref('http://other.org/fhir/Device/1'), performer: [ref('Practitioner/joe1')], status: 'preliminary', effectiveDateTime: '2020-05-01' }),
	obs('plain', { code: { coding: [{ code: 'ha125' }] }, subject: ref('Patient/evelyn/_history/1'), status: 'amended', effectiveDateTime: '2020-04-01', category: [cc('http://terminology.hl7.org/CodeSystem/observation-category', 'laboratory')] }),
	obs('other', { code: cc('http://other.org', 'ha125', 'Something else'), subject: ref('Group/102'), effectiveDateTime: '2020-06-01', note: [{ text: 'seen in the harbour' }] }),
	obs('k', { code: cc('http://loinc.org', '2823-3', 'Potassium'), valueQuantity: q(5.5, 'mmol/L'), subject: ref('Patient/severine') }),
	obs('bp', { code: cc('http://loinc.org', '85354-9'), subject: ref('Patient/eve'), component: [{ code: cc('http://loinc.org', '8480-6'), valueQuantity: q(150, 'mm[Hg]') }, { code: cc('http://loinc.org', '8462-4'), valueQuantity: q(90, 'mm[Hg]') }] }),
	{ resourceType: 'Encounter', id: 'e1', status: 'finished', class: { code: 'AMB' }, subject: ref('Patient/eve'), location: [{ location: ref('Location/room') }] },
	{ resourceType: 'Encounter', id: 'e2', status: 'planned', class: { code: 'AMB' }, subject: ref('Patient/evelyn'), location: [{ location: ref('Location/house') }] },
	{ resourceType: 'Specimen', id: 's1', subject: ref('Patient/eve') },
	{ resourceType: 'Location', id: 'house', name: 'House', position: { latitude: 48.8566, longitude: 2.3522 } },
	{ resourceType: 'Location', id: 'floor', name: 'Floor', partOf: ref('Location/house'), position: { latitude: 48.8049, longitude: 2.1204 } },
	{ resourceType: 'Location', id: 'room', name: 'Room', partOf: ref('Location/floor') },
	{ resourceType: 'DiagnosticReport', id: 'r1', status: 'final', code: cc('http://loinc.org', '24323-8'), subject: ref('Patient/severine'), result: [ref('Observation/k')] },
	{ resourceType: 'DiagnosticReport', id: 'r2', status: 'final', code: cc('http://loinc.org', '24323-8'), subject: ref('Patient/eve'), result: [ref('Observation/q-60')], presentedForm: [{ contentType: 'text/plain' }] },
	{ resourceType: 'Provenance', id: 'pr1', target: [ref('Observation/n100')], recorded: '2020-05-02T00:00:00Z', agent: [{ who: ref('Practitioner/joe1') }] },
	{ resourceType: 'AuditEvent', id: 'a1', type: { code: 'rest' }, recorded: '2020-05-02T00:00:00Z', agent: [{ who: ref('Practitioner/joe1'), requestor: true }], source: { observer: ref('Organization/o1') }, entity: [{ what: ref('Observation/n100') }] },
	{ resourceType: 'MedicationRequest', id: 'm1', status: 'active', intent: 'order', subject: ref('Patient/eve'), requester: ref('Practitioner/joe1'), medicationReference: ref('#med'), contained: [{ resourceType: 'Medication', id: 'med', code: cc('http://acme.org/drugs', 'asp', 'Aspirin') }] },
	{ resourceType: 'MedicationDispense', id: 'md1', status: 'completed', subject: ref('Patient/eve'), authorizingPrescription: [ref('MedicationRequest/m1')], performer: [{ actor: ref('Practitioner/ann1') }], medicationCodeableConcept: cc('http://acme.org/drugs', 'asp') },
	{ resourceType: 'Medication', id: 'asp1', code: cc('http://acme.org/drugs', 'asp', 'Aspirin') },
	{ resourceType: 'ValueSet', id: 'vs1', url: 'http://acme.org/fhir/ValueSet/123', status: 'active', compose: { include: [{ system: 'http://acme.org/conditions/codes', concept: [{ code: 'ha125' }] }] } },
	{ resourceType: 'ValueSet', id: 'vs2', url: 'http://acme.org/fhir/ValueSet/1234/x', status: 'draft' },
	{ resourceType: 'ValueSet', id: 'vs3', url: 'urn:oid:1.2.3.4.5', version: '2', status: 'active' },
	{ resourceType: 'CodeSystem', id: 'cs1', url: 'http://acme.org/tree', status: 'active', content: 'complete', concept: [{ code: 'animal', concept: [{ code: 'dog', concept: [{ code: 'poodle' }] }] }] },
	{ resourceType: 'Condition', id: 'c-dog', subject: ref('Patient/eve'), code: cc('http://acme.org/tree', 'dog') },
	{ resourceType: 'Condition', id: 'c-poodle', subject: ref('Patient/evelyn'), code: cc('http://acme.org/tree', 'poodle') },
	{ resourceType: 'Condition', id: 'c-none', subject: ref('Patient/severine') },
	{ resourceType: 'Questionnaire', id: 'qu1', url: 'http://acme.org/fhir/Questionnaire/q', version: '3', status: 'active', useContext: [{ code: { code: 'focus' }, valueCodeableConcept: cc('http://snomed.info/sct', '408934002') }, { code: { code: 'task' }, valueCodeableConcept: cc('http://acme.org', 'x') }] },
	{ resourceType: 'QuestionnaireResponse', id: 'qr1', status: 'completed', questionnaire: 'http://acme.org/fhir/Questionnaire/q|3' },
	{ resourceType: 'DocumentReference', id: 'doc1', status: 'current', content: [{ attachment: { contentType: 'text/xml', url: 'http://acme.org/1.xml' } }] },
	{ resourceType: 'DocumentReference', id: 'doc2', status: 'current', content: [{ attachment: { contentType: 'text/xml;charset=utf-8', url: 'http://acme.org/2.xml' } }] },
	{ resourceType: 'DocumentReference', id: 'doc3', status: 'current', content: [{ attachment: { contentType: 'application/pdf', url: 'http://acme.org/3.pdf' } }] },
];

const D = 'code=http://acme.org|date&'; // the Observations about dates
const Q = 'code=http://acme.org|quantity&';
const keys = (bundle) => Object.keys(bundle.entry[0].resource);
const link = (bundle, relation) => bundle.link.find((l) => l.relation === relation)?.url;
const says = (pattern) => (bundle) => bundle.resourceType === 'OperationOutcome' && pattern.test(JSON.stringify(bundle));
const total = (n) => (bundle) => bundle.total === n;

export const chapter = [
	['intro', 'A search is `GET [base]/[type]?…` or `POST [base]/[type]/_search` with a form; both answer alike.', [['Patient', 'gender=male', 'severine']]],
	['intro', 'Without criteria all resources of the type are matches.', [['Group', '', '101 102']]],
	['intro', '`GET [base]?…` searches several types: `_type` names them; without it only parameters of all types may be used.',
		[['', '_type=Group,List', 'Group/101 Group/102 List/42'], ['', '_id=eve,42', 'List/42 Patient/eve'], ['', '_type=Group,Nobody', 400], ['', 'gender=male', 400]]],
	['intro', '`GET [base]/Patient/[id]/[type]?…` searches in a compartment, `*` for all its types.',
		[['Patient/eve/Observation', '', 'bp n100'], ['Patient/eve/Observation', 'status=final', 'bp'], ['Patient/eve/*', '_type=Encounter,Condition', 'Condition/c-dog Encounter/e1'], ['Encounter/e1/Observation', '', 'n100']]],
	['intro', 'Names of parameters are case-sensitive.', [['Patient', 'Gender=male', 400]]],
	['intro', 'Filters first, then the sort, then the page, then the includes of that page.', [['Patient', '_include=Patient:organization&_sort=-birthdate&gender=female&_count=1', 'evelyn'], ['Patient', '_sort=birthdate&gender=female&_include=Patient:organization&_count=1', 'eve +o2']]],
	['returned', 'The answer is a Bundle of type searchset; each entry says whether it is a match, an include or an outcome.',
		[['Patient', '_id=eve&_include=Patient:organization', (b) => b.type === 'searchset' && b.entry.map((e) => e.search.mode).join() === 'match,include']]],
	['returned', 'The self link tells the parameters that were used, as a GET.', [['Patient', 'gender=male&name=sev', (b) => /Patient\?gender=male&name=sev/.test(link(b, 'self'))]]],
	['errors', 'What is syntactically wrong, an unknown parameter or an unsupported modifier is an error.',
		[['Patient', 'birthdate=tomorrow', 400], ['Patient', 'famly=x', says(/famly.*family/)], ['Patient', 'gender:nott=male', 400], ['Patient', 'gender=', 400], ['Observation', 'value-quantity=much', 400]]],
	['errors', 'A value that fits the syntax and is not known finds nothing: no error.', [['Observation', 'subject=Patient/unheard-of', ''], ['Patient', 'gender=x', '']]],
	['errors', '`Prefer: handling=lenient` leaves out what is unknown and tells so; the self link lacks it; `handling=strict` refuses.',
		[['Patient', 'famly=x&gender=male', (b) => b.entry.some((e) => e.search.mode === 'outcome' && /famly/.test(JSON.stringify(e.resource))) && !/famly/.test(link(b, 'self')) && b.entry.some((e) => e.resource.id === 'severine'), { Prefer: 'handling=lenient' }],
			['Patient', 'famly=x&gender=male', 400, { Prefer: 'handling=strict' }]]],
	// parameters of all resources
	['id', '`_id` finds by logical id, several by OR.', [['Patient', '_id=eve', 'eve'], ['Patient', '_id=eve,nobody,x', 'eve nobody']]],
	['lastUpdated', '`_lastUpdated` compares the instant of the last change.', [['Patient', '_lastUpdated=gt2010-10-01', 'eve evelyn nobody severine'], ['Patient', '_lastUpdated=lt2010-10-01', '']]],
	['tag', '`_tag` and `_security` are tokens on `meta`.', [['Patient', '_tag=http://acme.org/codes|needs-review', 'eve'], ['Patient', '_tag=needs-review', 'eve'], ['Patient', '_security=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R', 'eve'], ['Patient', '_tag:not=needs-review&gender:missing=false', 'evelyn severine']]],
	['profile', '`_profile` is a URI that the resource claims; `:below` by path.', [['Patient', '_profile=http://acme.org/StructureDefinition/lipid', 'eve'], ['Patient', '_profile:below=http://acme.org/', 'eve'], ['Patient', '_profile=http://acme.org/StructureDefinition/lip', '']]],
	['source', '`_source` is the URI in `meta.source`.', [['Patient', '_source=http://acme.org/feed#1'.replace('#', '%23'), 'eve']]],
	['content', '`_text` searches the narrative, `_content` the whole resource.', [['Patient', '_text=lighthouse', 'eve'], ['Observation', '_text=harbour', ''], ['Observation', '_content=harbour', 'other'], ['Observation', '_content=headache', 'n100']]],
	['list', '`_list` finds the entries of a List, of the searched type.', [['Patient', '_list=42', 'eve evelyn'], ['Observation', '_list=42', 'n100'], ['Patient', '_list=42&gender:not=female', '']]],
	['query', 'A named query that is not known is refused.', [['Patient', '_query=current', says(/_query/)]]],
	// combining
	['combining', 'A repeated parameter is an AND.', [['Practitioner', 'communication=fr&communication=nl', 'ann1'], ['Patient', 'birthdate=ge2010-01-01&birthdate=le2010-12-31', 'eve']]],
	['combining', 'Values with commas are an OR.', [['Practitioner', 'communication=fr,nl', 'ann1 fr1 nl1']]],
	['combining', 'Both together: OR within AND.', [['Practitioner', 'communication=fr,nl&name=ann', 'ann1'], ['Patient', 'gender=male,female&given=eve,sev', 'eve evelyn severine']]],
	['escaping', '`\\,` `\\|` `\\$` `\\\\` stand for the characters themselves.',
		[['Patient', "family=O'Neil\\, Jr.", 'severine'], ['Patient', "family=O'Neil,zzz", 'severine'], ['Patient', 'name:contains=a\\|b', 'nobody'], ['Patient', 'name:contains=\\$c', 'nobody'], ['Patient', 'name:contains=\\\\d', 'nobody'], ['Patient', 'name:contains=100%25', 'nobody']]],
	// modifiers
	['modifiers', '`:missing` tells whether there is a value, on every type of parameter.',
		[['Patient', 'gender:missing=true', 'nobody'], ['Patient', 'gender:missing=false', 'eve evelyn severine'], ['Patient', 'birthdate:missing=true', 'nobody'], ['Patient', 'organization:missing=false', 'eve severine'], ['Patient', 'address:missing=false', 'evelyn'],
			['Observation', 'value-quantity:missing=false&code=2823-3', 'k'], ['ValueSet', 'url:missing=true', ''], ['RiskAssessment', 'probability:missing=true', ''], ['Patient', 'gender:missing=maybe', 400]]],
	['modifiers', '`:not` finds what does not have the value, also what has none.', [['Patient', 'gender:not=male', 'eve evelyn nobody'], ['Patient', 'gender:not=male,female', 'nobody'], ['Observation', 'category:not=laboratory&code=ha125', 'n100 other']]],
	['modifiers', '`:text` searches the text and display of codes.', [['Observation', 'code:text=headache', 'n100'], ['Observation', 'code:text=pot', 'k']]],
	['modifiers', '`:in` and `:not-in` ask a value set.', [['Observation', 'code:in=http://acme.org/fhir/ValueSet/123', 'n100'], ['Observation', 'code:in=ValueSet/vs1', 'n100'], ['Observation', 'code:not-in=http://acme.org/fhir/ValueSet/123&code=ha125', 'other plain'], ['Observation', 'code:in=http://acme.org/unknown', says(/unknown/)]]],
	['modifiers', '`:below` and `:above` follow the hierarchy of the code system.', [['Condition', 'code:below=http://acme.org/tree|dog', 'c-dog c-poodle'], ['Condition', 'code:above=http://acme.org/tree|poodle', 'c-dog c-poodle'], ['Condition', 'code:below=http://acme.org/tree|poodle', 'c-poodle']]],
	['modifiers', 'A modifier that does not belong to the type of parameter is refused.', [['Patient', 'birthdate:exact=2010', 400], ['Patient', 'gender:contains=ale', 400], ['Patient', 'name:below=x', 400], ['Patient', 'organization:contains=x', 400]]],
	// number
	['number', 'Without a prefix a number stands for its precision: 100 is [99.5, 100.5), 100.00 is [99.995, 100.005), 1e2 is [95, 105).',
		[['RiskAssessment', 'probability=100', 'n100 n1004 n995 n99995'], ['RiskAssessment', 'probability=100.00', 'n100 n99995'], ['RiskAssessment', 'probability=1e2', 'n100 n1004 n1005 n104 n95 n99 n995 n99995']]],
	['number', '`lt le gt ge` compare with the number itself, `ne` is what `eq` is not.',
		[['RiskAssessment', 'probability=lt95', 'n94'], ['RiskAssessment', 'probability=le95', 'n94 n95'], ['RiskAssessment', 'probability=gt104.9', 'n105'], ['RiskAssessment', 'probability=ge104.9', 'n104 n105'], ['RiskAssessment', 'probability=ne100', 'n1005 n104 n105 n94 n95 n99']]],
	['number', '`ap` is within a tenth.', [['RiskAssessment', 'probability=ap104', 'n100 n1004 n1005 n104 n105 n94 n95 n99 n995 n99995'], ['RiskAssessment', 'probability=ap87', 'n94 n95']]],
	// date
	['date', 'A day finds the times in it and the day itself.', [['Observation', `${D}date=2013-01-14`, 'd-0000 d-1000 d-day']]],
	['date', '`ne` finds all else, whatever is not within.', [['Observation', `${D}date=ne2013-01-14&date=lt2013-02`, 'd-15 d-open d-until d-zone']]],
	['date', '`lt` a time finds a day that begins before it, `gt` one that ends after it.',
		[['Observation', `${D}date=lt2013-01-14T10:00:00Z`, 'd-0000 d-day d-until'], ['Observation', `${D}date=gt2013-01-14T10:00:00Z&date=lt2013-01-16`, 'd-15 d-day d-until']]],
	['date', '`ge` finds periods that reach beyond, `le` such that begin before.', [['Observation', `${D}date=ge2013-03-14`, 'd-16mar d-march d-open d-timing'], ['Observation', `${D}date=le2013-01-14`, 'd-0000 d-1000 d-day d-until']]],
	['date', '`sa` and `eb` are wholly after and before: not a period that overlaps.', [['Observation', `${D}date=sa2013-03-14`, 'd-16mar d-timing'], ['Observation', `${D}date=eb2013-03-14`, 'd-0000 d-1000 d-15 d-day d-until d-zone']]],
	['date', '`ap` is near, by a tenth of the time from then to now.', [['Observation', `${D}date=ap2013-03-14`, (b) => b.entry.some((e) => e.resource.id === 'd-16mar')]]],
	['date', 'A year and a month have their own precision.', [['Patient', 'birthdate=2010', 'eve'], ['Patient', 'birthdate=2011-12', 'evelyn'], ['Patient', 'birthdate=2009-05', ''], ['Patient', 'birthdate=ge2009-05', 'eve evelyn severine']]],
	['date', 'Time zones count; `+` may come as `%2B`.', [['Observation', `${D}date=2013-01-31T23:00:00Z`, 'd-zone'], ['Observation', `${D}date=2013-02-01T01:00:00%2B02:00`, 'd-zone'], ['Observation', `${D}date=2013-01-31`, 'd-zone']]],
	['date', 'Period and Timing are found by their limits; an open end is endless.', [['Observation', `${D}date=ge2030`, 'd-open'], ['Observation', `${D}date=lt1900`, 'd-until'], ['Observation', `${D}date=2013-05`, 'd-timing'], ['Observation', `${D}date=gt2013-05-05&date=lt2013-05-06`, 'd-open d-timing']]],
	['date', 'Hours need minutes.', [['Observation', 'date=2013-01-14T10', 400], ['Observation', 'date=2013-13-01', 400]]],
	// string
	['string', 'A string begins with the value, whatever case and accents.', [['Patient', 'given=eve', 'eve evelyn'], ['Patient', 'given=EVE', 'eve evelyn'], ['Patient', 'family=evreux', 'evelyn'], ['Patient', 'family=évr', 'evelyn']]],
	['string', '`:contains` anywhere, `:exact` whole and as it is written.', [['Patient', 'given:contains=eve', 'eve evelyn severine'], ['Patient', 'given:exact=Eve', 'eve'], ['Patient', 'given:exact=eve', '']]],
	['string', 'Names and addresses by each of their parts.', [['Patient', 'name=chal', 'eve'], ['Patient', 'address=oslo', 'evelyn'], ['Patient', 'address=0150', 'evelyn'], ['Patient', 'address=12 gar', 'evelyn'], ['Patient', 'address-city=oslo', 'evelyn'], ['Patient', 'address=NO', 'evelyn']]],
	// uri
	['uri', 'A URI is found whole and letter by letter.', [['ValueSet', 'url=http://acme.org/fhir/ValueSet/123', 'vs1'], ['ValueSet', 'url=http://acme.org/fhir/valueset/123', ''], ['ValueSet', 'url=urn:oid:1.2.3.4.5', 'vs3']]],
	['uri', '`:below` and `:above` go by segments of the path.', [['ValueSet', 'url:below=http://acme.org/fhir/', 'vs1 vs2'], ['ValueSet', 'url:below=http://acme.org/fhir/ValueSet/123', 'vs1'], ['ValueSet', 'url:above=http://acme.org/fhir/ValueSet/123/_history/5', 'vs1']]],
	// token
	['token', '`code`: whatever the system.', [['Observation', 'code=ha125', 'n100 other plain']]],
	['token', '`system|code`: both.', [['Observation', 'code=http://acme.org/conditions/codes|ha125', 'n100'], ['Patient', 'identifier=http://acme.org/patient|2345', 'eve']]],
	['token', '`|code`: no system.', [['Observation', 'code=|ha125', 'plain'], ['Patient', 'identifier=|2345', 'evelyn']]],
	['token', '`system|`: any code of the system.', [['Observation', 'code=http://other.org|', 'other'], ['Patient', 'identifier=http://acme.org/patient|', 'eve evelyn']]],
	['token', 'Codes, booleans, identifiers, contact points each by their value.', [['Patient', 'active=true', 'eve'], ['Patient', 'active=false', 'evelyn'], ['Patient', 'phone=555 1234', 'evelyn'], ['Patient', 'email=e@acme.org', 'evelyn'], ['Patient', 'deceased=true', 'severine'], ['Encounter', 'class=AMB', 'e1 e2']]],
	['token', '`:of-type`: type of the identifier and its value.', [['Patient', `identifier:of-type=${mrn}|MR|2345`, 'eve'], ['Patient', `identifier:of-type=${mrn}|MR|777`, '']]],
	// quantity
	['quantity', '`number`: whatever the unit, by the precision of the number.', [['Observation', `${Q}value-quantity=5.4`, 'q-545 q-mg q-none q-tab'], ['Observation', `${Q}value-quantity=5.40`, 'q-mg q-none q-tab']]],
	['quantity', '`number|system|code`: UCUM units are converted.', [['Observation', `${Q}value-quantity=5.4|${ucum}|mg`, 'q-545 q-g q-mg'], ['Observation', `${Q}value-quantity=5.40e-3|${ucum}|g`, 'q-g q-mg'], ['Observation', `${Q}value-quantity=5.4|http://acme.org/units|TAB`, 'q-tab']]],
	['quantity', '`number||code`: code or unit as they stand.', [['Observation', `${Q}value-quantity=5.4||mg`, 'q-545 q-mg'], ['Observation', `${Q}value-quantity=5.4||tablets`, 'q-tab']]],
	['quantity', 'Prefixes as with numbers.', [['Observation', `${Q}value-quantity=gt5.4|${ucum}|mg`, 'q-545 q-60'], ['Observation', `${Q}value-quantity=le5.4|${ucum}|mg`, 'q-g q-mg'], ['Observation', `${Q}value-quantity=ap5.5|${ucum}|mg`, 'q-545 q-60 q-g q-mg']]],
	// reference
	['reference', '`id`, `Type/id`, absolute URL; a relative reference and this server\'s own URL are the same.',
		[['Observation', 'subject=eve', 'bp n100'], ['Observation', 'subject=Patient/eve', 'bp n100'], ['Observation', 'subject=BASE/Patient/eve', 'bp n100'], ['Observation', 'device=http://other.org/fhir/Device/1', 'n100'], ['Observation', 'subject=102', 'other']]],
	['reference', '`:[type]` restricts the type.', [['Observation', 'subject:Patient=eve', 'bp n100'], ['Observation', 'subject:Group=102', 'other'], ['Observation', 'subject:Group=eve', ''], ['Observation', 'subject:Device=eve', ''], ['Observation', 'subject:Nobody=eve', 400]]],
	['reference', '`:identifier` searches the identifier in the reference.', [['Patient', 'organization:identifier=http://acme.org/orgs|north', 'severine'], ['Patient', 'organization:identifier=north', 'severine']]],
	['versions', 'A reference to a version is found with and without the version.', [['Observation', 'subject=Patient/evelyn', 'plain'], ['Observation', 'subject=Patient/evelyn/_history/1', 'plain'], ['Observation', 'subject=Patient/evelyn/_history/2', '']]],
	['versions', 'A canonical is found with and without its `|version`.', [['QuestionnaireResponse', 'questionnaire=http://acme.org/fhir/Questionnaire/q', 'qr1'], ['QuestionnaireResponse', 'questionnaire=http://acme.org/fhir/Questionnaire/q|3', 'qr1'], ['QuestionnaireResponse', 'questionnaire=http://acme.org/fhir/Questionnaire/q|4', '']]],
	['recursive', '`:below` and `:above` on a reference follow the hierarchy of what it refers to.', [['Encounter', 'location:below=house', 'e1 e2'], ['Encounter', 'location:below=Location/floor', 'e1'], ['Encounter', 'location:above=room', 'e1 e2'], ['Location', 'partof:below=house', 'floor room']]],
	['mimetype', 'A MIME type is found whole; `:below` finds it with its parameters too, and by its first part.', [['DocumentReference', 'contenttype=text/xml', 'doc1'], ['DocumentReference', 'contenttype:below=text/xml', 'doc1 doc2'], ['DocumentReference', 'contenttype:below=text', 'doc1 doc2']]],
	['special', '`near` of Location is the true distance, in kilometres unless a unit is told.', [['Location', 'near=48.85|2.35|5', 'house'], ['Location', 'near=48.85|2.35|30|km', 'floor house'], ['Location', 'near=48.85|2.35|5000|m', 'house']]],
	// composite
	['composite', 'The parts are of one element, joined by `$`.', [['Observation', 'component-code-value-quantity=8480-6$gt100', 'bp'], ['Observation', 'component-code-value-quantity=8462-4$gt100', ''], ['Observation', `code-value-quantity=http://loinc.org|2823-3$gt5.4|${ucum}|mmol/L`, 'k'], ['Group', 'characteristic-value=gender$mixed', '102'], ['Group', 'characteristic-value=gender$female', ''],
		['Questionnaire', 'context-type-value=focus$http://snomed.info/sct|408934002', 'qu1'], ['Questionnaire', 'context-type-value=task$http://snomed.info/sct|408934002', '']]],
	['composite', 'In a chain too.', [['DiagnosticReport', `result.code-value-quantity=http://loinc.org|2823-3$gt5.4|${ucum}|mmol/L`, 'r1']]],
	// chaining
	['chaining', '`reference.parameter` filters by what is referred to, with or without its type.', [['DiagnosticReport', 'subject.name=chal', 'r2'], ['DiagnosticReport', 'subject:Patient.name=chal', 'r2'], ['Observation', 'subject:Group._id=102', 'other'], ['DiagnosticReport', 'subject:Device.status=active', '']]],
	['chaining', 'Modifiers and prefixes work at the end of a chain; `_id` and others too.', [['DiagnosticReport', 'subject.given:contains=ver', 'r1'], ['DiagnosticReport', 'subject:Patient.birthdate=lt2010', 'r1'], ['DiagnosticReport', 'subject._id=eve', 'r2'], ['DiagnosticReport', 'subject:Patient.gender:not=male', 'r2']]],
	['chaining', 'Chains of several steps.', [['Observation', 'patient.organization.name=acme', 'bp n100'], ['Observation', 'patient.organization.partof.name=acme hos', 'bp n100'], ['MedicationDispense', 'prescription.requester:Practitioner.family=cool', 'md1']]],
	['chaining', 'Each chain is by itself: two chains need not meet in one resource.', [['Patient', 'general-practitioner:Practitioner.name=joe&general-practitioner:Practitioner.address-state=MN', 'eve'], ['Patient', 'general-practitioner:Practitioner.name=joe&general-practitioner:Practitioner.address-state=NY', '']]],
	['chaining', 'Along canonical references.', [['QuestionnaireResponse', 'questionnaire.status=active', 'qr1'], ['QuestionnaireResponse', 'questionnaire.status=draft', '']]],
	['chaining', 'Chained parameters are evaluated inside contained resources too.', [['MedicationRequest', 'medication.code=asp', 'm1'], ['MedicationRequest', 'medication.code=ibu', '']]],
	['has', '`_has:Type:reference:parameter` filters by what refers.', [['Patient', '_has:Observation:patient:code=ha125', 'eve evelyn'], ['Patient', '_has:Observation:patient:code=http://acme.org/conditions/codes|ha125', 'eve'], ['Patient', '_has:Group:member:_id=101,102', 'eve evelyn severine'], ['Patient', '_has:Group:member:_id=101&_has:Group:member:_id=102', '']]],
	['has', 'Nested, and within chains.', [['Patient', '_has:Observation:patient:_has:AuditEvent:entity:type=rest', 'eve'], ['Encounter', 'patient._has:Group:member:_id=102', 'e2']]],
	['filter', '`_filter` is an expression over parameters.', [['Patient', '_filter=given eq "Eve"', 'eve'], ['Patient', '_filter=gender eq female and not (birthdate lt 2011)', 'evelyn'], ['Patient', '_filter=(gender eq male or given co "lyn") and name sw "O"', 'severine'], ['Observation', '_filter=subject.given eq "Evelyn"', 'plain'], ['Patient', '_filter=gender pr false', 'nobody'], ['Patient', '_filter=gender eq', 400]]],
	['filter', 'Brackets: one resource, or one element, satisfies both.', [['Observation', '_filter=subject[gender eq female].given eq "Evelyn"', 'plain'], ['Observation', '_filter=subject[gender eq male].given eq "Evelyn"', ''], ['Observation', '_filter=code.coding[system eq "http://acme.org/conditions/codes"].code eq ha125', 'n100'], ['Observation', '_filter=code.coding[system eq "http://acme.org/other"].code eq ha125', ''], ['Patient', '_filter=name[famly eq x].given eq y', 400]]],
	['contained', '`_contained`: contained resources are searched as well, or alone; `_containedType`: they or their containers are answered.',
		[['Medication', 'code=asp', 'asp1'], ['Medication', 'code=asp&_contained=false', 'asp1'], ['Medication', 'code=asp&_contained=true', 'm1'], ['Medication', 'code=asp&_contained=both', 'asp1 m1'], ['Medication', 'code=asp&_contained=true&_containedType=contained', 'med'],
			['Medication', 'code=asp&_contained=true&_containedType=contained', (b) => b.entry[0].fullUrl.endsWith('/MedicationRequest/m1#med')], ['Medication', 'code=asp&_contained=both&_sort=-code', 'asp1 m1'], ['Medication', '_contained=maybe', 400], ['Medication', '_contained=true&_containedType=both', 400]]],
	['contained', 'Chains are evaluated inside contained resources.', [['MedicationRequest', 'medication.code=asp', 'm1'], ['MedicationRequest', 'medication.code=other', '']]],
	// results
	['sort', 'By several parameters, `-` for descending.', [['Observation', 'code=ha125&_sort=date', 'plain n100 other'], ['Observation', 'code=ha125&_sort=-date', 'other n100 plain'], ['Patient', '_sort=gender,-birthdate', 'evelyn eve severine nobody'], ['Patient', '_sort=family', 'eve evelyn severine nobody'], ['Observation', 'code=ha125&_sort=status,-date', 'plain other n100']]],
	['sort', 'By `_id` and `_lastUpdated`; an unknown name is refused.', [['Patient', '_sort=-_id', 'severine nobody evelyn eve'], ['Patient', '_sort=_lastUpdated,_id', (b) => b.entry.length === 4], ['Patient', '_sort=hair', 400]]],
	['sort', 'By a chain too (`_sort=patient.family`), an addition of this server.', [['Observation', 'code=ha125&_sort=patient.family', 'n100 plain other'], ['Observation', 'code=ha125&_sort=-patient.family', 'plain n100 other']]],
	['sort', 'Of several values the lowest counts ascending and the highest descending.', [['Location', '_sort=name', 'floor house room'], ['Practitioner', 'communication:missing=false&_sort=communication', 'ann1 fr1 nl1'], ['Practitioner', 'communication:missing=false&_sort=-communication', 'ann1 nl1 fr1']]],
	['count', '`_count` is the size of a page of matches; `next` and `previous` lead through all.',
		[['Patient', '_count=2&_sort=birthdate', (b) => b.entry.length === 2 && !!link(b, 'next') && !link(b, 'previous')], ['Patient', '_count=-1', 400]]],
	['count', '`_count=0` is `_summary=count`.', [['Patient', '_count=0', (b) => b.total === 4 && !b.entry]]],
	['total', '`_total` none, estimate, accurate; the number of all matches, without includes.', [['Patient', '_count=1&_total=accurate&_include=Patient:organization', total(4)], ['Patient', '_count=1&_total=none', (b) => b.total === undefined], ['Patient', '_count=1&_total=estimate', (b) => b.total >= 0], ['Patient', '_total=most', 400]]],
	['include', '`_include=Type:reference`, each once, marked as included.', [['MedicationRequest', '_include=MedicationRequest:patient', 'm1 +eve'], ['Observation', 'subject=eve&_include=Observation:patient', 'bp n100 +eve'], ['MedicationRequest', '_include=MedicationRequest:patient&_include=MedicationRequest:requester', 'm1 +eve +joe1']]],
	['include', 'With a target type.', [['Observation', 'code=ha125&_include=Observation:subject:Group', 'n100 other plain +102'], ['Observation', 'code=ha125&_include=Observation:subject:Patient', 'n100 other plain +eve +evelyn']]],
	['include', '`_revinclude`: what refers to the matches.', [['Observation', '_id=n100&_revinclude=Provenance:target', 'n100 +pr1'], ['Patient', '_id=severine&_revinclude=Observation:patient&_revinclude=DiagnosticReport:patient', 'severine +k +r1']]],
	['include', '`:iterate` goes on from what was included.', [['MedicationDispense', '_include=MedicationDispense:prescription&_include:iterate=MedicationRequest:requester', 'md1 +joe1 +m1'], ['MedicationDispense', '_include=MedicationDispense:prescription&_include=MedicationRequest:requester', 'md1 +m1'], ['Patient', '_id=eve&_include:iterate=Patient:link', 'eve +severine'],
		['Location', '_id=room&_include:iterate=Location:partof', 'room +floor +house'], ['Location', '_id=house&_revinclude:iterate=Location:partof', 'house +floor +room']]],
	['include', 'Wildcards.', [['MedicationRequest', '_include=MedicationRequest:*', 'm1 +eve +joe1'], ['MedicationRequest', '_include=*', 'm1 +eve +joe1'], ['Observation', '_id=n100&_revinclude=*', 'n100 +42 +a1 +pr1']]],
	['include', 'Along canonical references, by their version.', [['QuestionnaireResponse', '_include=QuestionnaireResponse:questionnaire', 'qr1 +qu1']]],
	['include', 'A reference that is nowhere includes nothing; a wrong name is refused.', [['Observation', '_id=n100&_include=Observation:device', 'n100'], ['Patient', '_include=Patient:gender', 400], ['Patient', '_include=Observation:nothing', 400]]],
	['summary', '`_summary=true`: summary elements; `text`: text, id, meta, mandatory and modifier elements; `data`: without text; `count`: the number; `false`: all.',
		[['Patient', '_id=eve&_summary=true', (b) => keys(b).includes('birthDate') && !keys(b).includes('text')], ['Patient', '_id=eve&_summary=text', (b) => keys(b).includes('text') && keys(b).includes('id') && !keys(b).includes('birthDate') && !keys(b).includes('name')],
			['Patient', '_id=eve&_summary=data', (b) => keys(b).includes('link') && !keys(b).includes('text')], ['Patient', '_summary=count', (b) => b.total === 4 && !b.entry], ['Patient', '_id=eve&_summary=false', (b) => keys(b).includes('text')], ['Patient', '_summary=short', 400]]],
	['summary', 'What is not whole is tagged SUBSETTED.', [['Patient', '_id=eve&_summary=true', (b) => b.entry[0].resource.meta.tag.some((t) => t.code === 'SUBSETTED')]]],
	['summary', 'With `_summary=text` there are no includes.', [['Patient', '_id=eve&_summary=text&_include=Patient:organization', 400]]],
	['elements', '`_elements`: these, and mandatory and modifier elements; of a type if it is named; tagged SUBSETTED.',
		[['Patient', '_id=eve&_elements=birthDate', (b) => keys(b).includes('birthDate') && !keys(b).includes('name') && b.entry[0].resource.meta.tag.some((t) => t.code === 'SUBSETTED')], ['Observation', '_id=n100&_elements=subject', (b) => keys(b).includes('status') && keys(b).includes('code') && !keys(b).includes('encounter')]]],
	['elements', 'The elements are those of the matches; what is included is whole, unless elements of its type are named.', [['Observation', '_id=n100&_include=Observation:patient&_elements=subject', (b) => b.entry[1].resource.name !== undefined && !b.entry[1].resource.meta.tag?.some((t) => t.code === 'SUBSETTED')],
		['Observation', '_id=n100&_include=Observation:patient&_elements=subject,Patient.birthDate', (b) => b.entry[1].resource.name === undefined && b.entry[1].resource.birthDate !== undefined], ['Observation', '_elements=Patient.subject', 400]]],
	['contained', '`_contained=true` finds contained resources and answers their containers; `both` finds both.', [['Medication', 'code=asp', 'asp1'], ['Medication', 'code=asp&_contained=false', 'asp1'], ['Medication', 'code=asp&_contained=true', 'm1'], ['Medication', 'code=asp&_contained=both', 'asp1 m1']]],
	['contained', '`_containedType=contained` answers the contained resource itself.', [['Medication', 'code=asp&_contained=true&_containedType=contained', (b) => b.entry.length === 1 && b.entry[0].resource.resourceType === 'Medication' && b.entry[0].resource.id === 'med' && /MedicationRequest\/m1#med$/.test(b.entry[0].fullUrl)]]],
	['score', '`_sort=_score` and `search.score`: how well a text search is met.', [['Observation', '_content=headache&_sort=_score', (b) => b.entry[0].search.score > 0]]],
	['paging', 'Links hold no values of parameters in clear beyond the search itself, and can\'t be turned into another search.', [['Patient', '_count=1&_cursor=AAAA', 400]]],
];

export const settled = [
	['errors', 'Unknown parameters: may be ignored', 'are an error, unless the client asks for `handling=lenient`'],
	['string', 'Whether a string matches at the start of each word', 'at the start of a value; a name or address by each of its parts'],
	['string', 'The phonetic algorithm of `phonetic`', 'none: it finds what `name` finds'],
	['token', 'Case of codes', 'case-sensitive'],
	['date', 'Times without a zone', 'are read as UTC'],
	['quantity', 'Canonical units', 'UCUM, by the published table'],
	['count', 'Size of a page without `_count`', '100 (`fhir.default_count`), at most 1,000 (`fhir.max_count`)'],
	['sort', 'Missing values', 'last, ascending and descending'],
	['total', 'Total unless asked for', 'when the first page holds all matches'],
	['include', 'Size of includes', 'an error beyond `fhir.max_include`, never a part'],
	['summary', 'Elements that change the meaning of others (modifiers)', 'are kept in every subset'],
	['list', 'Functional lists (`$current-allergies` …)', 'refused by name'],
	['currency', 'How current a search is', 'as of the statement: one snapshot for page, total and includes'],
];
