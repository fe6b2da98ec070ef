/* id.h - an id of the client's own choice, which makes a call one thing however often it is sent */
#ifndef FOSTER_CLIENT_ID_H
#define FOSTER_CLIENT_ID_H

#define ID_TEXT_BYTES 33 /* with the NUL */

/* A fresh one. 0, or -errno after a complaint. */
int id_new(char id[ID_TEXT_BYTES]);

#endif
