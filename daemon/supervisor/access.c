#include "daemon/supervisor/access.h"

#include <fnmatch.h>
#include <unistd.h>

static bool is_privileged(const struct rpc_peer *peer)
{
	return peer->uid == 0 || peer->uid == geteuid();
}

static bool is_in_group(const struct rpc_peer *peer, gid_t gid)
{
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return peer->gid == gid;
}

static bool names_peer(const struct conf_access *a, const struct rpc_peer *peer)
{
	for (size_t i = 0; i < a->n_uids; i++)
		if (a->uids[i] == peer->uid)
			return true;
	for (size_t i = 0; i < a->n_gids; i++)
		if (is_in_group(peer, a->gids[i]))
			return true;
	return false;
}

static bool is_bound(const struct conf_access *a)
{
	return a->programs && a->programs[0];
}

static bool covers(const struct conf_access *a, const char *name)
{
	const char *const *pattern = a->programs;

	if (!is_bound(a))
		return true;
	while (*pattern && fnmatch(*pattern, name, 0) != 0)
		pattern++;
	return *pattern;
}

static unsigned allowed(const struct conf_access *a)
{
	return a->allow & CONF_ADMIN ? ACCESS_ALL : a->allow;
}

unsigned access_any(const struct supervisor *s, const struct rpc_peer *peer)
{
	unsigned rights = is_privileged(peer) ? ACCESS_ALL : 0;

	for (size_t i = 0; rights != ACCESS_ALL && i < s->conf->n_accesses; i++)
		if (names_peer(&s->conf->accesses[i], peer))
			rights |= allowed(&s->conf->accesses[i]);
	return rights;
}

unsigned access_global(const struct supervisor *s, const struct rpc_peer *peer)
{
	unsigned rights = is_privileged(peer) ? ACCESS_ALL : 0;

	for (size_t i = 0; rights != ACCESS_ALL && i < s->conf->n_accesses; i++) {
		const struct conf_access *a = &s->conf->accesses[i];

		if (!is_bound(a) && names_peer(a, peer))
			rights |= allowed(a);
	}
	return rights;
}

unsigned access_to_name(const struct supervisor *s, const struct rpc_peer *peer, const char *name)
{
	unsigned rights = is_privileged(peer) ? ACCESS_ALL : 0;

	for (size_t i = 0; rights != ACCESS_ALL && i < s->conf->n_accesses; i++) {
		const struct conf_access *a = &s->conf->accesses[i];

		if (names_peer(a, peer) && covers(a, name))
			rights |= allowed(a);
	}
	return rights;
}

bool access_owns(const struct rpc_peer *peer, const struct process *p)
{
	return p->client && p->client->uid == peer->uid;
}

unsigned access_to(const struct supervisor *s, const struct rpc_peer *peer, const struct process *p)
{
	unsigned rights;

	if (is_privileged(peer))
		return ACCESS_ALL;
	rights = access_to_name(s, peer, process_name(p)) & ~(unsigned)CONF_RUN;
	if (access_owns(peer, p))
		return rights | CONF_READ | CONF_CONTROL;
	if (p->origin != PROCESS_FILE && !(rights & CONF_ADMIN))
		rights &= ~(unsigned)CONF_CONTROL;
	return rights;
}

bool access_sees(const struct supervisor *s, const struct rpc_peer *peer, const struct process *p)
{
	return access_to(s, peer, p) & (CONF_READ | CONF_CONTROL | CONF_ADMIN);
}

const char *access_right_name(unsigned rights)
{
	if (rights & CONF_READ)
		return "read";
	if (rights & CONF_CONTROL)
		return "control";
	return rights & CONF_RUN ? "run" : "admin";
}
