/* SPDX-License-Identifier: MIT */
/* Memory of the program's own. */
#include "misuse.h"

#include <sys/mman.h>

int main(void)
{
	void *pages = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return 3;
	misuse_expect("free", pages, NOT_OURS);
	free(opaque(pages));
	return 0;
}
