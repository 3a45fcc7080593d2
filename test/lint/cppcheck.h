/*
 * cppcheck.h: what cppcheck has to know of PostgreSQL, whose headers it does not read: which calls end, which macros
 * are loops, which are text. Included before each file by `make lint`; never compiled.
 */
/* without it compat.h is an #error, and cppcheck passes over the file in silence */
#define PG_VERSION_NUM 170000
#define DEBUG1 14
#define LOG 15
#define INFO 17
#define NOTICE 18
#define WARNING 19
#define ERROR 21
#define FATAL 22
#define PANIC 23
#define ereport(elevel, ...) do { (void) (__VA_ARGS__); if ((elevel) >= ERROR) abort(); } while (0)
#define ereport_domain(elevel, domain, ...) ereport(elevel, __VA_ARGS__)
#define elog(elevel, ...) do { (void) (__VA_ARGS__); if ((elevel) >= ERROR) abort(); } while (0)
#define pg_unreachable() abort()
#define PG_RE_THROW() abort()
#define Assert(condition) do { if (!(condition)) abort(); } while (0)
#define pg_noreturn __attribute__((noreturn))
#define pg_attribute_printf(f, a)
#define PGDLLEXPORT
#define PG_FUNCTION_ARGS FunctionCallInfo fcinfo
#define PG_FUNCTION_INFO_V1(name) extern int no_such_variable
#define PG_MODULE_MAGIC extern int no_such_variable
#define PG_TRY() if (pg_try())
#define PG_CATCH() else
#define PG_FINALLY()
#define PG_END_TRY()
#define foreach(cell, list) for (cell = list_head(list); cell != NULL; cell = lnext(list, cell))
#define for_each_from(cell, list, n) for (cell = list_nth_cell(list, n); cell != NULL; cell = lnext(list, cell))
#define forboth(a, la, b, lb) for (a = list_head(la), b = list_head(lb); a != NULL && b != NULL; a = lnext(la, a), b = lnext(lb, b))
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define CppAsString2(x) "x"
#define INT64_FORMAT "%ld"
#define UINT64_FORMAT "%lu"
#define FLEXIBLE_ARRAY_MEMBER
