/* store.h - systemd's descriptor store: pidfds of the processes that outlive us
 *
 * What is no daemon runs on when we end, in order or killed. Its pidfd lies with systemd meanwhile, so
 * that our successor knows it again, and how it ended, without trusting a number in a file. Each has a
 * name, SLOT.INCARNATION.NAME (NAME with %XX for what systemd allows in none), which is enough to adopt it
 * even where the runtime directory was lost.
 *
 * Slots are put and removed as their state says; what systemd has no room for at the moment is tried
 * again a little later. Without NOTIFY_SOCKET nothing happens.
 *
 * Source: sd_pid_notify_with_fds(3), FDSTORE=1, FDPOLL=0; FileDescriptorStoreMax= in systemd.service(5). */
#ifndef FOSTER_KEEPER_STORE_H
#define FOSTER_KEEPER_STORE_H

#include "daemon/keeper/keeper.h"

/* Take the pidfds that systemd has passed to us, out of the way of the low numbers. To be called before
 * those are used. */
void store_open(void);

/* The one of this life of a slot, or -1; the caller's. */
int store_take(struct keeper *k, uint32_t slot, uint64_t incarnation);

/* Whether there is one that nobody has taken, and whose it is by its name in the store. */
bool store_has_rest(char name[TABLE_NAME_BYTES]);
int store_take_rest(uint64_t *ret_incarnation); /* that one, or -1; the caller's */

/* Let go of what nobody has taken. */
void store_forget_rest(void);

void store_init(struct keeper *k);
void store_update(struct keeper *k, uint32_t slot); /* its state has changed */

#endif
