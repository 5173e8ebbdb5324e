# SPDX-License-Identifier: MIT
"""Real programs as functions of (sandbox, environment): each returns what must not depend on the
allocator."""
import hashlib
import os
import socket
import subprocess
import threading
import urllib.request

import hak
import sandbox

PYTHON_SCRIPT = """
import concurrent.futures, json, multiprocessing, threading
rows = [{"id": i, "name": "n" * (i % 90), "tags": [str(j) for j in range(i % 17)]} for i in range(6000)]
text = json.dumps(rows, sort_keys=True)
assert json.loads(text) == rows
sums = {}
def work(n):
    words = {}
    for i in range(30000):
        words[f"{n}-{i % 997}"] = words.get(f"{n}-{i % 997}", "") [:40] + "x"
    sums[n] = sum(len(w) for w in words.values())
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
def cube(n):
    return sum(int(str(i) + "7") for i in range(n * 400))
with multiprocessing.get_context("fork").Pool(4) as pool:
    cubes = pool.map(cube, range(40))
import hashlib
print(hashlib.sha256(text.encode()).hexdigest(), sorted(sums.items()), sum(cubes))
big = [bytes([i % 256]) * (200000 + i * 1000) for i in range(200)]
print(sum(len(b) for b in big), hashlib.sha256(b"".join(big[::9])).hexdigest())
"""

SQL_SCRIPT = """
PRAGMA journal_mode=MEMORY;
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100000)
 INSERT INTO t SELECT i, hex(i * 7919) || printf('%0*d', i % 60, i), i * 0.5 FROM n;
CREATE INDEX t_b ON t(b);
SELECT count(*), sum(length(b)), max(b) FROM t WHERE b > '5';
UPDATE t SET b = b || b WHERE a % 3 = 0;
DELETE FROM t WHERE a % 5 = 0;
SELECT substr(b, 1, 3) AS k, count(*), avg(c) FROM t GROUP BY k ORDER BY 2 DESC, 1 LIMIT 20;
SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY b LIMIT 3000);
VACUUM;
PRAGMA integrity_check;
"""

PERL_SCRIPT = """
my %h; my @a;
for my $i (1..120000) {
  my $k = "key" . ($i * 7 % 9973); $h{$k} .= chr(65 + $i % 26); push @a, $k if $i % 3 == 0
}
my $n = 0; for my $k (sort keys %h) { $n = ($n * 31 + length($h{$k}) + ord($h{$k})) % 1000000007 }
my $s = join(",", @a); my $c = () = $s =~ /key(\\d*7)\\b/g; $s =~ s/key/k/g;
my $pid = fork(); if (!$pid) { my @b = map { $_ x 3 } @a; exit(@b == @a ? 0 : 1) } waitpid($pid, 0);
print "$n $c ", length($s), " $?\\n";
"""

LUA_SCRIPT = """
local t, s = {}, 0
for round = 1, 12 do
  for i = 1, 30000 do t[i] = { n = i, s = string.rep("ab", i % 40), r = { i, i + 1 } } end
  for i = 1, 30000, 3 do t[i] = nil end
  collectgarbage()
  for _, v in pairs(t) do s = (s + v.n + #v.s + v.r[2]) % 1000000007 end
end
local parts = {}
for i = 1, 20000 do parts[#parts + 1] = tostring(i) .. ";" end
print(s, #table.concat(parts), table.concat(parts):gsub("7", "seven"):len())
"""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def run(box, command, env, data=None, cwd=None):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, input=data, capture_output=True, env=env, cwd=cwd or box.work,
                          timeout=2 * sandbox.PATIENCE_SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: "
                           f"{done.stderr.decode(errors='replace')[-1500:]}")
    return done.stdout


def python(box, env):
    return run(box, ["/usr/bin/python3", "-I", "-c", PYTHON_SCRIPT], env)


def sqlite(box, env):
    return run(box, ["sqlite3", ":memory:"], env, SQL_SCRIPT.encode())


def perl(box, env):
    return run(box, ["perl", "-e", PERL_SCRIPT], dict(env, PERL_HASH_SEED="0"))


def lua(box, env):
    script = os.path.join(box.work, "test.lua")
    with open(script, "w", encoding="ascii") as out:
        out.write(LUA_SCRIPT)
    return run(box, ["lua5.4", script], env)


def gcc(box, env):
    source = os.path.join(box.work, "unit.c")
    with open(source, "w", encoding="ascii") as out:
        out.write("struct s { int a, b[7]; };\n")
        for i in range(250):
            out.write(f"int f{i}(struct s *p, int n)\n{{\n\tint r = {i};\n\tfor (int k = 0; k < n; k++)\n"
                      f"\t\tr += p[k].b[(k + {i}) % 7] * (r ^ {i * 77}) + (k & 3 ? p[k].a : r >> {i % 5});\n"
                      f"\treturn r{f' + f{i - 1}(p, n - 1)' if i else ''};\n}}\n")
    run(box, ["gcc", "-O2", "-g", "-c", "unit.c", "-o", "unit.o"], env)
    with open(os.path.join(box.work, "unit.o"), "rb") as result:
        return digest(result.read()).encode()


def git(box, env):
    env = dict(env, HOME=box.work, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a",
               GIT_AUTHOR_EMAIL="a@example.org",
               GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.org",
               GIT_AUTHOR_DATE="1700000000 +0000", GIT_COMMITTER_DATE="1700000000 +0000")
    run(box, ["rm", "-rf", "repo", "copy"], env)
    run(box, ["git", "init", "-q", "-b", "main", "repo"], env)
    repo = os.path.join(box.work, "repo")
    # A history from one stream, as `git fast-import` reads it: quicker than a process per commit.
    lines = []
    for commit in range(60):
        lines.append(f"commit refs/heads/main\ncommitter a <a@example.org> {1700000000 + commit} +0000\n"
                     f"data 9\nchange {commit % 10}\n")
        for name in range(12):
            body = "".join(f"line {i} {(i * commit) % (name + 7)}\n" for i in range(150 + commit))
            lines.append(f"M 100644 inline d{name % 3}/f{name}\ndata {len(body)}\n{body}\n")
    run(box, ["git", "fast-import", "--quiet"], env, "".join(lines).encode(), cwd=repo)
    run(box, ["git", "clone", "-q", "--no-local", "repo", "copy"], env)
    copy = os.path.join(box.work, "copy")
    out = run(box, ["git", "log", "--stat", "-p", "--format=%H %s"], env, cwd=copy)
    run(box, ["git", "gc", "-q", "--aggressive"], env, cwd=copy)
    run(box, ["git", "fsck", "--full"], env, cwd=copy)
    return digest(out).encode()


def sort(box, env):
    path = os.path.join(box.work, "lines")
    if not os.path.exists(path):
        state = 1
        with open(path, "w", encoding="ascii") as out:
            for _ in range(300000):
                state = state * 1103515245 + 12345 & 0x7FFFFFFF
                out.write(f"{state % 100003} {state:x}\n")
    return digest(run(box, ["sort", "--parallel=4", "-S", "16M", "-k1,1n", "-k2", path], env)).encode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(server):
    server.terminate()
    status = server.wait(sandbox.PATIENCE_SECONDS)
    if status not in (0, -15):
        raise RuntimeError(f"{server.args[0]} ended with {status}")


def redis(box, env):
    path = os.path.join(box.work, "redis.sock")
    server = box.spawn(["redis-server", "--port", "0", "--unixsocket", path, "--dir", box.work, "--save", "",
                        "--enable-debug-command", "yes", "--io-threads", "2"], env=env,
                       stdout=subprocess.DEVNULL)
    plain = box.plain
    if not sandbox.wait_until(lambda: hak.listens(path)):
        raise RuntimeError("redis-server did not start")
    run(box,
        ["redis-benchmark", "-s", path, "-q", "-n", "8000", "-c", "20", "-P", "4", "-r", "3000", "-d", "300",
              "-t", "set,get,incr,lpush,lpop,sadd,hset,zadd,lrange_100,mset"], plain)
    commands = ["FLUSHALL"]
    for i in range(2500):
        commands += [f"SET k{i} {'v' * (i % 700)}", f"RPUSH l{i % 40} {i}", f"HSET h{i % 60} f{i} {i * i}",
                     f"ZADD z{i % 9} {i % 333} m{i}"]
        if i % 4 == 0:
            commands.append(f"DEL k{i // 2}")
    run(box, ["redis-cli", "-s", path], plain, ("\n".join(commands) + "\n").encode())
    before = run(box, ["redis-cli", "-s", path, "DEBUG", "DIGEST"], plain)
    saved = run(box, ["redis-cli", "-s", path, "DEBUG", "RELOAD"], plain)
    after = run(box, ["redis-cli", "-s", path, "DEBUG", "DIGEST"], plain)
    box.before_stop()
    stop(server)
    os.path.exists(path) and os.unlink(path)
    return before + saved + after


def memcached(box, env):
    path = os.path.join(box.work, "memcached.sock")
    user = ["-u", "root"] if os.getuid() == 0 else []
    server = box.spawn(["memcached", "-s", path, "-t", "3", "-m", "64", *user], env=env)
    if not sandbox.wait_until(lambda: hak.listens(path)):
        raise RuntimeError("memcached did not start")
    results = [None] * 6

    def client(number):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(path)
            stream = link.makefile("rwb")
            total = 0
            for i in range(1500):
                value = b"v" * (i * 13 % 3000)
                stream.write(b"set k%d-%d 0 0 %d\r\n%s\r\n" % (number, i % 200, len(value), value))
                stream.write(b"get k%d-%d\r\n" % (number, i % 200))
                stream.flush()
                if stream.readline() != b"STORED\r\n":
                    return
                head = stream.readline().split()
                if len(head) != 4 or stream.read(int(head[3]) + 2) != value + b"\r\n":
                    return
                stream.readline()
                total += len(value)
            results[number] = total

    threads = [threading.Thread(target=client, args=(number,)) for number in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    box.before_stop()
    stop(server)
    os.path.exists(path) and os.unlink(path)
    return repr(results).encode()


def nginx(box, env):
    port = free_port()
    root = os.path.join(box.work, "www")
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "page.html"), "w", encoding="ascii") as page:
        page.write("".join(f"line {i}\n" for i in range(9000)))
    config = os.path.join(box.work, "nginx.conf")
    user = "user root;" if os.getuid() == 0 else ""
    with open(config, "w", encoding="ascii") as out:
        out.write(f"""{user} daemon off; worker_processes 2; pid {box.work}/nginx.pid; error_log stderr crit;
events {{ worker_connections 128; }}
http {{ access_log off; gzip on; gzip_comp_level 1;
 client_body_temp_path {box.work}; proxy_temp_path {box.work}; fastcgi_temp_path {box.work};
 uwsgi_temp_path {box.work}; scgi_temp_path {box.work};
 server {{ listen 127.0.0.1:{port}; root {root}; }} }}
""")
    server = box.spawn(["nginx", "-c", config, "-p", box.work], env=env)

    def answers():
        try:
            with socket.create_connection(("127.0.0.1", port), 5):
                return True
        except OSError:
            return False

    if not sandbox.wait_until(answers):
        raise RuntimeError("nginx did not start")
    url = f"http://127.0.0.1:{port}/page.html"
    load = run(box, ["ab", "-q", "-n", "2000", "-c", "20", "-H", "Accept-Encoding: gzip", url], box.plain)
    failures = [line for line in load.decode().splitlines() if line.startswith(("Failed", "Non-2xx",
                                                                                "Complete"))]
    with urllib.request.urlopen(url, timeout=sandbox.PATIENCE_SECONDS) as answer:
        body = answer.read()
    box.before_stop()
    stop(server)
    return (digest(body) + repr(failures)).encode()


ALL = {"redis": redis, "python": python, "sqlite": sqlite, "perl": perl, "lua": lua, "gcc": gcc, "git": git,
       "sort": sort, "memcached": memcached, "nginx": nginx}
