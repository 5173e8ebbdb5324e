-- SPDX-License-Identifier: MIT
-- sqlite3: inserts, an index, joins, aggregates, updates and text, all in memory.
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, body TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO item SELECT i, i * 7919 % 997, 'name ' || (i * 31 % 10007), hex(zeroblob(i % 120)) FROM n;
CREATE INDEX item_kind ON item(kind);
CREATE INDEX item_name ON item(name);
SELECT count(*), sum(length(body)) FROM item WHERE kind BETWEEN 100 AND 300;
SELECT a.kind, count(*), max(b.name) FROM item a JOIN item b ON a.id = b.kind
GROUP BY a.kind ORDER BY 2 DESC LIMIT 3;
UPDATE item SET name = name || '!', body = substr(body, 1, 30) || id WHERE id % 3 = 0;
SELECT name, group_concat(id % 10, '') FROM item WHERE id < 30000
GROUP BY name ORDER BY length(2), name LIMIT 3;
DELETE FROM item WHERE id % 5 = 0;
SELECT count(DISTINCT name), total(id) FROM item;
SELECT substr(group_concat(upper(name), ','), 1, 40) FROM (SELECT name FROM item ORDER BY body, name);
