/*
 * trust.c: which peers' X-Forwarded-* headers are believed: a list of addresses and networks
 * ("127.0.0.1, 10.0.0.0/8, ::1"), or * for all. Peers on a Unix socket are trusted as soon as the list is not empty.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "log.h"
#include "request.h"

typedef struct Network
{
	struct in6_addr address;
	int bits;
} Network;

static Network networks[64];
static int network_count;
static bool trust_some, trust_all;

/* IPv4 as IPv4-mapped IPv6, so that there is one comparison */
static void
map_ipv4(const struct in_addr *from, struct in6_addr *to)
{
	memset(to, 0, sizeof *to);
	to->s6_addr[10] = to->s6_addr[11] = 0xFF;
	memcpy(&to->s6_addr[12], from, 4);
}

static bool
read_network(char *text)
{
	Network *network = &networks[network_count];
	char *slash = strchr(text, '/');
	struct in_addr v4;
	int shift = 0;

	if (network_count == sizeof networks / sizeof networks[0])
		return false;
	if (slash != NULL)
		*slash = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
	{
		map_ipv4(&v4, &network->address);
		shift = 96;
	}
	else if (inet_pton(AF_INET6, text, &network->address) != 1)
		return false;
	network->bits = 128;
	if (slash != NULL)
	{
		char *end;
		long bits = strtol(slash + 1, &end, 10);

		if (!isdigit((unsigned char) slash[1]) || *end != '\0' || bits > 128 - shift)
			return false;
		network->bits = bits + shift;
	}
	network_count++;
	return true;
}

bool
trust_read(const char *list)
{
	char *copy = strdup(list), *save = NULL;
	bool ok = copy != NULL;

	if (ok)
		for (char *item = strtok_r(copy, ", \t", &save); ok && item != NULL; item = strtok_r(NULL, ", \t", &save))
		{
			trust_some = true;
			if (strcmp(item, "*") == 0)
				trust_all = true;
			else if (!read_network(item))
			{
				log_error("option \"trust-proxy\": \"%s\" is no address or network", item);
				ok = false;
			}
		}
	free(copy);
	return ok;
}

bool
trust_address(const struct sockaddr *address)
{
	struct in6_addr peer;

	if (trust_all)
		return true;
	if (address->sa_family == AF_UNIX)
		return trust_some;
	if (address->sa_family == AF_INET)
		map_ipv4(&((const struct sockaddr_in *) address)->sin_addr, &peer);
	else if (address->sa_family == AF_INET6)
		peer = ((const struct sockaddr_in6 *) address)->sin6_addr;
	else
		return false;
	for (int i = 0; i < network_count; i++)
	{
		int bytes = networks[i].bits / 8, rest = networks[i].bits % 8;

		if (memcmp(&peer, &networks[i].address, (size_t) bytes) == 0 &&
			(rest == 0 || (peer.s6_addr[bytes] ^ networks[i].address.s6_addr[bytes]) >> (8 - rest) == 0))
			return true;
	}
	return false;
}
