-- SPDX-License-Identifier: Apache-2.0
-- Inserts, an index, joins, aggregates and text functions on an in-memory database.
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, price REAL);
CREATE TABLE sale(item INTEGER, day INTEGER, amount INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO item SELECT i, i * 7919 % 40, 'item-' || (i * 31 % 997), (i * 17 % 1000) / 8.0 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO sale SELECT i * 7907 % 20000 + 1, i % 365, i * 13 % 9 + 1 FROM n;
CREATE INDEX sale_item ON sale(item);
SELECT kind, count(*), sum(amount * price) FROM item JOIN sale ON item.id = sale.item
    GROUP BY kind ORDER BY 3 DESC LIMIT 3;
SELECT day, sum(amount) s FROM sale GROUP BY day HAVING s % 7 = 0 ORDER BY s DESC, day LIMIT 3;
SELECT count(*) FROM item WHERE name LIKE '%9%' AND upper(substr(name, 6)) > '5';
UPDATE item SET price = price * 1.5 WHERE kind IN (SELECT kind FROM item WHERE name = 'item-31');
SELECT total(price), max(name) FROM item;
SELECT a.kind, count(DISTINCT b.day) FROM item a JOIN sale b ON a.id = b.item
    WHERE a.price > 100 GROUP BY a.kind ORDER BY a.kind LIMIT 3;
