/* SPDX-License-Identifier: MIT */
/* Numbers of the kernel's interface that the C library's headers may be too old for. */
#ifndef HAK_KERNEL_NUMBERS_H
#define HAK_KERNEL_NUMBERS_H

#include <sys/mman.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* Linux 5.4 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7 */
#endif

#endif
