/* suggest.h - the nearest known word
 *
 * Pure. Offer all candidates to a struct suggest, then ask for the best:
 *
 *   struct suggest s = { .word = "autorestrat" };
 *   suggest_offer(&s, "autorestart"); …
 *   suggest_best(&s);   -> "autorestart", or NULL when nothing is near */
#ifndef FOSTER_CONF_SUGGEST_H
#define FOSTER_CONF_SUGGEST_H

struct suggest {
	const char *word;
	const char *best; /* nearest so far; owned by who offered it */
	unsigned distance; /* of best */
};

/* Edits (insert, delete, replace, swap neighbours; case is no difference) that turn a into b,
 * or UINT_MAX when either is longer than any word of ours. */
unsigned suggest_distance(const char *a, const char *b);

void suggest_offer(struct suggest *s, const char *candidate);

/* The nearest candidate when it is near enough to be meant (wrong in a third of its letters), else NULL. */
const char *suggest_best(const struct suggest *s);

#endif
