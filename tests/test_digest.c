/* SPDX-License-Identifier: MIT */
/* CRC-32C against the vectors of RFC 3720 (B.4), SHA-256 against FIPS 180, keys against sha256sum. */
#include "crc32c.h"
#include "sha256.h"
#include "suite.h"
#include "telemetry.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

START_TEST(crc32c_of_published_vectors)
{
	uint8_t bytes[32];

	memset(bytes, 0, sizeof(bytes));
	ck_assert_uint_eq(hak_crc32c(bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	ck_assert_uint_eq(hak_crc32c(bytes, sizeof(bytes)), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_uint_eq(hak_crc32c(bytes, sizeof(bytes)), 0x46dd794e);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(31 - i);
	ck_assert_uint_eq(hak_crc32c(bytes, sizeof(bytes)), 0x113fdb5c);
	ck_assert_uint_eq(hak_crc32c("123456789", 9), 0xe3069283);
	ck_assert_uint_eq(hak_crc32c("", 0), 0);
}
END_TEST

static const char *sha256_hex(const void *bytes, size_t length)
{
	static char text[2 * HAK_SHA256_BYTES + 1];
	uint8_t digest[HAK_SHA256_BYTES];

	hak_sha256(bytes, length, digest);
	for (unsigned i = 0; i < HAK_SHA256_BYTES; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return text;
}

START_TEST(sha256_of_published_vectors)
{
	static char million[1000000];
	const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

	ck_assert_str_eq(sha256_hex("abc", 3),
			 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert_str_eq(sha256_hex("", 0),
			 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	ck_assert_str_eq(sha256_hex(two_blocks, strlen(two_blocks)),
			 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(million, 'a', sizeof(million));
	ck_assert_str_eq(sha256_hex(million, sizeof(million)),
			 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* `printf '%0Nd' 0 | tr 0 a | sha256sum`: the lengths about a block's end, where padding goes wrong. */
static const struct {
	size_t length;
	const char *digest;
} padding[] = {
	{55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
	{56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
	{57, "f13b2d724659eb3bf47f2dd6af1accc87b81f09f59f2b75e5c0bed6589dfe8c6"},
	{63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
	{64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
	{65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
	{119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
	{120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
	{128, "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e"},
};

START_TEST(sha256_of_lengths_about_a_block_end)
{
	char bytes[160];

	memset(bytes, 'a', sizeof(bytes));
	ck_assert_str_eq(sha256_hex(bytes, padding[_i].length), padding[_i].digest);
}
END_TEST

/* `printf 'hakmem telemetry 1:%s' NAME | sha256sum`, first two words little-endian. */
START_TEST(telemetry_key_is_the_digest_of_the_versioned_name)
{
	struct hak_key key;

	ck_assert_int_eq(hak_telemetry_key("00112233445566778899aabbccddeeff", &key), 0);
	ck_assert_uint_eq(key.word[0], UINT64_C(0xbd6230cf70d9a501));
	ck_assert_uint_eq(key.word[1], UINT64_C(0x4da284ac6c99be34));
}
END_TEST

static const char *const bad_names[] = {
	"",
	"00112233445566778899aabbccddeef",
	"00112233445566778899aabbccddeeff0",
	"00112233445566778899AABBCCDDEEFF",
	"00112233445566778899aabbccddeefg",
	"../12233445566778899aabbccddeeff",
};

START_TEST(telemetry_key_of_a_bad_name_is_refused_and_output_kept)
{
	struct hak_key key = {{1, 2}};

	ck_assert_int_eq(hak_telemetry_key(bad_names[_i], &key), -EINVAL);
	ck_assert_uint_eq(key.word[0], 1);
	ck_assert_uint_eq(key.word[1], 2);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("digest");

	tcase_add_test(tcase, crc32c_of_published_vectors);
	tcase_add_test(tcase, sha256_of_published_vectors);
	tcase_add_loop_test(tcase, sha256_of_lengths_about_a_block_end, 0,
			    sizeof(padding) / sizeof(padding[0]));
	tcase_add_test(tcase, telemetry_key_is_the_digest_of_the_versioned_name);
	tcase_add_loop_test(tcase, telemetry_key_of_a_bad_name_is_refused_and_output_kept, 0,
			    sizeof(bad_names) / sizeof(bad_names[0]));
	return run_suite("digest", tcase);
}
