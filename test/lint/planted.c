/*
 * planted.c: a fault that cppcheck must find, behind the headers that all files include; never compiled. See mk/style.mk.
 */
#include "base/compat.h"

#include "search/search_internal.h"
#include "store/store_internal.h"

int
planted(void)
{
	int a[3] = {0};

	return a[5];
}
