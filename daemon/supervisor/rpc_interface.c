#include "daemon/supervisor/rpc_interface.h"

__asm__(".section .rodata\n"
	".global rpc_interface_text\n"
	".type rpc_interface_text, @object\n"
	"rpc_interface_text:\n"
	".incbin \"ctl/org.foster.Supervisor.varlink\"\n"
	".byte 0\n"
	".size rpc_interface_text, . - rpc_interface_text\n"
	".previous\n");
