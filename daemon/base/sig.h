/* sig.h - signal names and numbers, and a clean slate for children
 *
 * Source: signal(7); names are those of sigabbrev_np(3), real-time ones RTMIN+N. */
#ifndef FOSTER_BASE_SIG_H
#define FOSTER_BASE_SIG_H

/* "TERM", "SIGTERM", "term" or "15" -> 15; RTMIN, RTMIN+1, RTMAX-1 too. Returns the number (1..64)
 * or -EINVAL. */
int sig_number(const char *name);

/* "TERM" of 15, "RTMIN+2" of 36, "64" where there is no name. A static string. */
const char *sig_name(int number);

#endif
