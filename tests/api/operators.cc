/* SPDX-License-Identifier: MIT */
/* The C++ operators in all forms. A failing new calls the new-handler until it gives up, then throws. */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

#define expect(condition, text)                                                                              \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, text);       \
			std::_Exit(1);                                                                       \
		}                                                                                            \
	} while (0)

static int handler_calls;

static void give_up_third_time()
{
	if (++handler_calls == 3)
		std::set_new_handler(nullptr);
}

static void check_forms(std::size_t size)
{
	const std::align_val_t line{256};
	const std::nothrow_t &quiet = std::nothrow;
	void *block[10] = {
		::operator new(size),
		::operator new[](size),
		::operator new(size, quiet),
		::operator new[](size, quiet),
		::operator new(size, line),
		::operator new[](size, line),
		::operator new(size, line, quiet),
		::operator new[](size, line, quiet),
		::operator new(size),
		::operator new(size, line),
	};

	for (void *one : block) {
		expect(one != nullptr, "operator new gave null");
		std::memset(one, 0x33, size);
	}
	for (int i : {4, 5, 6, 7, 9})
		expect(reinterpret_cast<std::uintptr_t>(block[i]) % 256 == 0, "not aligned");
	::operator delete(block[0]);
	::operator delete[](block[1]);
	::operator delete(block[2], quiet);
	::operator delete[](block[3], quiet);
	::operator delete(block[4], line);
	::operator delete[](block[5], line);
	::operator delete(block[6], line, quiet);
	::operator delete[](block[7], line, quiet);
	::operator delete(block[8], size);
	::operator delete(block[9], size, line);
	::operator delete[](::operator new[](size), size);
	::operator delete[](::operator new[](size, line), size, line);
	::operator delete(nullptr);
	::operator delete[](nullptr, size);
}

template <typename New> static void expect_bad_alloc(New call, const char *form)
{
	handler_calls = 0;
	std::set_new_handler(give_up_third_time);
	try {
		call();
	} catch (const std::bad_alloc &) {
		expect(handler_calls == 3, form);
		return;
	}
	expect(false, form);
}

static void check_failure()
{
	volatile std::size_t much = SIZE_MAX / 2 + 5;
	const std::align_val_t line{256};

	expect_bad_alloc([&] { ::operator delete(::operator new(much)); }, "new");
	expect_bad_alloc([&] { ::operator delete[](::operator new[](much)); }, "new[]");
	expect_bad_alloc([&] { ::operator delete(::operator new(much, line), line); }, "aligned new");
	expect_bad_alloc([&] { ::operator delete[](::operator new[](much, line), line); }, "aligned new[]");
	handler_calls = 0;
	std::set_new_handler(give_up_third_time);
	expect(::operator new(much, std::nothrow) == nullptr, "nothrow new of too much");
	expect(handler_calls == 3, "nothrow new did not call the new-handler");
	std::set_new_handler(nullptr);
	expect(::operator new[](much, std::nothrow) == nullptr, "nothrow new[] of too much");
	expect(::operator new(much, line, std::nothrow) == nullptr, "aligned nothrow new of too much");
}

struct thrower {
	char body[100];
	thrower()
	{
		throw 42;
	}
};

int main()
{
	for (std::size_t size = 1; size < 3000000; size += size / 2 + 1)
		check_forms(size);
	check_failure();
	for (int i = 0; i < 1000; i++) {
		try {
			delete new thrower;
		} catch (int) {
		}
	}
	std::vector<std::thread> threads;
	for (int t = 0; t < 4; t++)
		threads.emplace_back([] {
			std::vector<std::string> words;
			for (int i = 0; i < 20000; i++)
				words.push_back(std::string(static_cast<std::size_t>(i % 500), 'x'));
			for (std::size_t i = 0; i < words.size(); i++)
				expect(words[i].size() == i % 500, "a string changed");
		});
	for (std::thread &thread : threads)
		thread.join();
	return 0;
}
