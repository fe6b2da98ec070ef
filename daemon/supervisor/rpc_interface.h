/* rpc_interface.h - the text of ctl/org.foster.Supervisor.varlink, as GetInterfaceDescription gives it
 *
 * Embedded when this is assembled; the path is relative to the top, where make runs. */
#ifndef FOSTER_SUPERVISOR_RPC_INTERFACE_H
#define FOSTER_SUPERVISOR_RPC_INTERFACE_H

extern const char rpc_interface_text[]; /* NUL-terminated */

#endif
