/* SPDX-License-Identifier: MIT */
/* Writes golden files, control.v1 and telemetry.v1, into the directory given. Once for a major. */
#include "golden.h"
#include "shm_fixture.h"

static int dump_to(const char *folder, const char *name, const void *bytes, size_t size)
{
	char path[SHM_PATH_MAX];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "w");
	if (!out) {
		perror(path);
		return 1;
	}
	golden_dump(out, bytes, size);
	return fclose(out) != 0;
}

int main(int argc, char **argv)
{
	static struct hak_telemetry_file file;
	struct hak_control_writer writer;
	int failed;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s DIRECTORY (where the golden files go)\n", argv[0]);
		return 2;
	}
	shm_dir_make();
	if (hak_control_writer_init(&writer, shm_dir) < 0 || golden_control_fill(&writer) < 0)
		return 1;
	golden_telemetry_fill(&file);
	failed = dump_to(argv[1], "control.v1", writer.header, HAK_CONTROL_BYTES) |
		 dump_to(argv[1], "telemetry.v1", &file, sizeof(file));
	hak_control_writer_deinit(&writer);
	shm_dir_remove();
	return failed;
}
