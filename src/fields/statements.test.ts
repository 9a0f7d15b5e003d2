import { describe, expect, it } from 'vitest'
import { UnsupportedError } from '../core/errors.ts'
import { FileField } from './file-field.ts'
import { type FiledTable, refuseStatement } from './statements.ts'

/** One of those that nobody knows: it is read in the ways of all. */
const database = 'oracle'

const cleaning: FiledTable = { table: 'users', columns: { avatar: new FileField() } }
const keeping: FiledTable = {
  table: 'users',
  columns: { avatar: new FileField({ onDelete: 'keep', onReplace: 'keep' }) },
}

/** The databases whose SQL is known, as ORMs call them, and one of the others. */
const databases = ['mysql', 'postgres', 'sqlite', 'mssql', 'oracle'] as const

/** Each takes files away from rows, in whichever database it can be done. */
const harmful = [
  'DELETE FROM users',
  'delete from users where id = 1',
  'DELETE FROM "users" WHERE id = 1 RETURNING *',
  'DELETE FROM `users`',
  'DELETE FROM public.users',
  'DELETE FROM "public"."users"',
  'DELETE FROM ONLY users',
  'DELETE  \n FROM\tusers',
  'DELETE /* all */ FROM users',
  'DELETE -- all\nFROM users',
  'DELETE u FROM users u JOIN gone ON gone.id = u.id',
  'WITH old AS (SELECT 1) DELETE FROM users WHERE id IN (SELECT * FROM old)',
  'WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone',
  'TRUNCATE users',
  'TRUNCATE TABLE users CASCADE',
  'TRUNCATE TABLE others, users',
  "REPLACE INTO users VALUES (1, 'x')",
  "INSERT OR REPLACE INTO users VALUES (1, 'x')",
  "UPDATE users SET avatar = 'x'",
  "UPDATE users SET name = 'x', avatar = 'y' WHERE id = 1",
  'UPDATE "users" SET "avatar" = $1 WHERE "id" = $2',
  'UPDATE `users` SET `avatar`=? WHERE `id` = ?',
  "UPDATE OR IGNORE users SET avatar = 'x'",
  "UPDATE users u JOIN others o ON o.id = u.id SET u.avatar = 'x'",
  "UPDATE others o JOIN users u ON o.id = u.id SET u.avatar = 'x'",
  'INSERT INTO users (avatar) VALUES (?) ON CONFLICT (id) DO UPDATE SET avatar = excluded.avatar',
  'INSERT INTO users (avatar) VALUES (?) ON DUPLICATE KEY UPDATE avatar = VALUES(avatar)',
  'MERGE INTO users USING x ON x.id = users.id WHEN MATCHED THEN UPDATE SET avatar = x.a',
  'MERGE INTO users USING x ON x.id = users.id WHEN MATCHED THEN DELETE',
  "SELECT 1; DELETE FROM users WHERE name = 'x'",
  // Deletions
  'DELETE users WHERE id = 1',
  'DELETE FROM users u USING others o WHERE o.id = u.id',
  'DELETE FROM others, users USING others JOIN users',
  'DELETE FROM u USING users AS u',
  'DELETE FROM u USING (others o JOIN users u ON o.id = u.id)',
  'DELETE others, users FROM others JOIN users ON others.id = users.id',
  'DELETE app.users.* FROM app.users LEFT JOIN others o ON o.id = users.id',
  'DELETE users FROM app.users LEFT JOIN others o ON o.id = users.id',
  'DELETE LOW_PRIORITY QUICK IGNORE FROM users',
  'DELETE TOP (10) FROM users',
  'DELETE TOP (10) u OUTPUT deleted.id, deleted.avatar FROM users AS u WHERE u.id = 1',
  'DELETE FROM ONLY (users)',
  'DELETE FROM "my-app"."users"',
  'DELETE FROM "my-app".users',
  'DELETE FROM `my app`.`users`',
  'DELETE FROM app..users',
  'DELETE FROM .users',
  'TRUNCATE .users',
  "UPDATE .users SET .avatar = 'x'",
  'DELETE FROM "a ""b"" c" . "users"',
  'DELETE FROM app /* the */ . -- table\n users',
  'DELETE FROM "app.users"',
  "DELETE FROM 'users'",
  'DELETE FROM U&"users"',
  'DELETE FROM U&"\\0075ser\\+000073"',
  'DELETE FROM"users"',
  'DELETE FROM Users',
  'EXPLAIN ANALYZE DELETE FROM users',
  'EXPLAIN (ANALYZE, BUFFERS) DELETE FROM users',
  'COPY (DELETE FROM users RETURNING *) TO STDOUT',
  'WITH a AS (SELECT 1), b AS MATERIALIZED (DELETE FROM users RETURNING id) INSERT INTO log SELECT id FROM b',
  'INSERT INTO log WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone',
  'CREATE TABLE old AS WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone',
  'CREATE TRIGGER t AFTER INSERT ON x BEGIN DELETE FROM y; END; DELETE FROM users',
  'CREATE TABLE x (id integer); DELETE FROM users',
  'DO $$ BEGIN DELETE FROM users; END $$',
  "DO LANGUAGE plpgsql $body$ DECLARE n int := 1; BEGIN IF n = 1 THEN UPDATE users SET avatar = ''; END IF; END $body$",
  "DO 'BEGIN DELETE FROM users; END'",
  "DO $$ BEGIN EXECUTE 'DELETE FROM users'; END $$",
  'DO $$ BEGIN DO $body$ BEGIN DELETE FROM users; END $body$; END $$',
  "EXECUTE IMMEDIATE 'DELETE FROM users'",
  "PREPARE gone FROM 'DELETE FROM users'",
  'PREPARE gone AS DELETE FROM users WHERE id = $1',
  'BEGIN NOT ATOMIC DELETE FROM users; END',
  'BEGIN; DELETE FROM users; COMMIT',
  ';;DELETE FROM users;',
  'TRUNCATE users, others',
  'TRUNCATE others, ONLY "my-app".users RESTART IDENTITY CASCADE',
  "REPLACE users (avatar) VALUES ('x')",
  "REPLACE users SET avatar = 'x'",
  "REPLACE LOW_PRIORITY users SET avatar = 'x'",
  "REPLACE INTO app.users VALUES (1, 'x')",
  'REPLACE INTO users SELECT * FROM others',
  "INSERT OR REPLACE INTO main.users VALUES (1, 'x')",
  "WITH x AS (SELECT 1) INSERT OR REPLACE INTO users SELECT 1, 'x'",
  "UPDATE OR REPLACE users SET title = 'b' WHERE id = 1",
  "LOAD DATA INFILE 'x' REPLACE INTO TABLE users",
  'MERGE users AS u USING x ON x.id = u.id WHEN NOT MATCHED BY SOURCE THEN DELETE;',
  'MERGE INTO ONLY users USING x ON x.id = users.id WHEN MATCHED AND x.a THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (1)',
  'MERGE INTO users USING x ON (x.id = users.id) WHEN MATCHED THEN UPDATE SET name = 1 DELETE WHERE x.gone = 1',
  'MERGE INTO users u USING (SELECT 1) x ON x.id = u.id WHEN NOT MATCHED THEN INSERT (id) VALUES (1) WHEN MATCHED THEN UPDATE SET name = x.a, avatar = x.b',
  // File columns
  "UPDATE users SET (avatar, width) = ('x', 3)",
  "UPDATE users SET (width, avatar) = ROW(3, 'x')",
  'UPDATE users SET name = 1, (width, avatar) = (SELECT 1, 2 WHERE true)',
  "UPDATE users SET width = (SELECT count(*) FROM photos WHERE photos.id = users.id), avatar = ''",
  "UPDATE users SET width = (SELECT 1 WHERE true), avatar = ''",
  "UPDATE users SET width = CASE WHEN EXISTS (SELECT 1 FROM x WHERE true) THEN 1 ELSE 2 END, avatar = 'x'",
  "UPDATE users SET name = a IS DISTINCT FROM b, avatar = 'x'",
  "UPDATE users SET tags[1] = 'a', avatar = 'x'",
  "UPDATE users SET name = trim(BOTH ' ' FROM name), avatar = 'x'",
  "UPDATE users SET option = 1, merge = 2, avatar = 'x'",
  "UPDATE users SET limit = 1, avatar = 'x'",
  "UPDATE users SET name = replace(name, 'a', 'b'), avatar = 'x'",
  "UPDATE users SET avatar := 'x'",
  "UPDATE users SET avatar += 'x'",
  "UPDATE users SET 'avatar' = 'x'",
  "UPDATE users SET Avatar = 'x'",
  'UPDATE users SET U&"\\0061vatar" = \'x\'',
  "UPDATE ONLY users SET avatar = 'x'",
  "UPDATE ONLY (users) AS u SET avatar = 'x'",
  "UPDATE users AS u SET u.avatar = 'x'",
  "UPDATE LOW_PRIORITY IGNORE users SET users.avatar = 'x'",
  "UPDATE `my-app`.`users` SET `my-app`.`users`.`avatar` = 'x'",
  "UPDATE users, others SET others.name = 'y', users.avatar = 'x' WHERE users.id = others.id",
  "UPDATE (others o, users u) SET u.avatar = 'x'",
  "UPDATE (SELECT 1) o JOIN users u ON u.id = o.id SET u.avatar = 'x'",
  "UPDATE others o CROSS JOIN users SET avatar = 'x'",
  "UPDATE u SET avatar = 'x' OUTPUT inserted.id FROM users u WHERE u.id = 1",
  "UPDATE TOP (1) users SET avatar = 'x'",
  "UPDATE users WITH (ROWLOCK) SET avatar = 'x'",
  "WITH x AS (SELECT 1) UPDATE users SET avatar = 'x' FROM x",
  "WITH x AS (UPDATE users SET avatar = 'x' RETURNING id) SELECT * FROM x",
  "INSERT users SET name = 'a' ON DUPLICATE KEY UPDATE avatar = ''",
  "INSERT IGNORE users VALUES (1) ON DUPLICATE KEY UPDATE name = 'a', users.avatar = ''",
  'INSERT INTO users (avatar) VALUES (?) AS n ON DUPLICATE KEY UPDATE name = (SELECT a FROM x WHERE b), avatar = n.avatar',
  'INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET (avatar, name) = (excluded.avatar, excluded.name)',
  'INSERT INTO users (id) VALUES (1) ON CONFLICT (id) WHERE a DO UPDATE SET name = (SELECT 1 WHERE true), avatar = excluded.avatar',
  'INSERT INTO users (id) VALUES (1) ON CONFLICT (a) DO UPDATE SET name = 1 WHERE true ON CONFLICT (b) DO UPDATE SET avatar = 1',
  'INSERT INTO "my-app"."users" AS u SELECT * FROM x WHERE true ON CONFLICT DO UPDATE SET avatar = 1',
  'WITH x AS (INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET avatar = 1) INSERT INTO log VALUES (1) ON CONFLICT DO NOTHING',
  // Literals and comments, as one of the databases reads them
  `UPDATE users SET title = "it's", avatar = ''`,
  String.raw`UPDATE users SET title = 'C:\', avatar = ''`,
  String.raw`UPDATE users SET title = E'it\'s', avatar = ''`,
  String.raw`UPDATE users SET title = 'a\\', avatar = ''`,
  "UPDATE users SET title = $$it's$$, avatar = ''",
  "UPDATE users SET title = $tag$it's $$ $tag$, avatar = ''",
  "UPDATE users SET title = `it's`, avatar = ''",
  "UPDATE users SET title = N'it''s', avatar = ''",
  "/* it's */ UPDATE users SET avatar = ''",
  'DELETE /*!50000 FROM */ users',
  'DELETE /*+ NO_INDEX_MERGE(users) */ FROM users',
  'SELECT 2*/* two */3; DELETE FROM users',
  "DELETE FROM users; SELECT 'this has no end",
]

/** Each takes files away in these databases. */
const harmfulIn: readonly (readonly [databases: string, sql: string])[] = [
  ['sqlite mssql', 'DELETE FROM [users]'],
  ['mssql', 'DELETE FROM [my.app].[dbo].[users]'],
  ['mssql', 'SET NOCOUNT ON DELETE FROM users'],
  ['mssql', 'SELECT name DELETE FROM users'],
  ['mysql', 'SET STATEMENT max_statement_time = 100 FOR DELETE FROM users WHERE id = 1'],
  ['mysql', "SET STATEMENT max_statement_time = 100 FOR UPDATE users SET avatar = 'x'"],
  [
    'mysql',
    'SET STATEMENT sort_buffer_size = 1000, b = (1) FOR REPLACE INTO users (id) VALUES (1)',
  ],
  ['mysql', 'SET STATEMENT a = 1 FOR WITH x AS (SELECT 1) DELETE FROM users'],
  ['mysql', "UPDATE { OJ users u LEFT OUTER JOIN others o ON o.id = u.id } SET u.avatar = 'x'"],
  ['mysql', "UPDATE { OJ others o LEFT OUTER JOIN users u ON o.id = u.id } SET u.avatar = 'x'"],
  ['mysql', 'DELETE u FROM { OJ users u LEFT OUTER JOIN others o ON o.id = u.id } WHERE o.id = 1'],
  ['mysql', 'ANALYZE FORMAT=JSON DELETE FROM users'],
  ['mysql', "ANALYZE FORMAT=JSON UPDATE users SET avatar = 'x'"],
  ['mysql', 'BEGIN NOT ATOMIC DECLARE EXIT HANDLER FOR 1146 DELETE FROM users; SELECT 1; END'],
  [
    'mysql',
    "BEGIN NOT ATOMIC SELECT 1; DECLARE EXIT HANDLER FOR x UPDATE users SET avatar = ''; END",
  ],
  ['mysql', 'CREATE PROCEDURE begin() SELECT 1; DELETE FROM users'],
  ['postgres', "CREATE FUNCTION begin(begin int) RETURNS int AS 'SELECT 1'; DELETE FROM users"],
  ['postgres', "CREATE FUNCTION a.begin() RETURNS TABLE (begin int) AS 'x'; DELETE FROM users"],
  ['postgres', 'ALTER TRIGGER x ON users RENAME TO begin; DELETE FROM users'],
  ['sqlite', 'CREATE TRIGGER begin AFTER DELETE ON x BEGIN SELECT 1; END; DELETE FROM users'],
  // Literals and comments
  ['mysql', String.raw`UPDATE users SET title = 'it\'s', avatar = ''`],
  ['mysql', String.raw`UPDATE users SET title='it\'s',avatar='x',note='can\'t' WHERE id = 1`],
  ['mysql', String.raw`UPDATE users SET title = "it\"s", avatar = "x", note = "can\"t"`],
  ['mysql', String.raw`UPDATE users SET title = "a \" b'", avatar = ''`],
  ['postgres', String.raw`UPDATE users SET a = 'C:\', b = 'x', avatar = '', c = 'D:\', d = 'y'`],
  ['sqlite mssql', "UPDATE users SET title = [it's], avatar = ''"],
  ['mysql', "UPDATE users # it's\n SET avatar = ''"],
  ['postgres sqlite', "UPDATE users SET bits = bits # 4, avatar = ''"],
  ['postgres sqlite', "UPDATE users SET data = data #- '{a}', avatar = ''"],
  ...['3', '?', "'3'", '@a', '-1', '.5', '+3', '!0', '~0', '(3)', '\u00a03'].map(
    number => ['mysql', `UPDATE users SET width = 5--${number}, avatar = 'x'`] as const,
  ),
  ['postgres sqlite mssql', "UPDATE users --it's\n SET avatar = ''"],
  ['mysql', "UPDATE users --\u0001it's\n SET avatar = ''"],
  ['mysql', "UPDATE users --\nSET avatar = ''"],
  ['postgres', "UPDATE users --it's\r SET avatar = ''"],
  ['postgres mssql', "/* a /* it's */ ' */ UPDATE users SET avatar = ''"],
  ['mysql sqlite', "/* a /* it's */ UPDATE users SET avatar = ''"],
  ['mysql', '/*!50000 DELETE FROM users */'],
  ['mysql', '/*!50000DELETE FROM users*/'],
  ['mysql', '/*M!100100 DELETE */ FROM users'],
]

/** None of these takes a file away. */
const harmless = [
  'SELECT * FROM users',
  "SELECT * FROM users WHERE name = 'DELETE FROM users'",
  'SELECT * FROM users -- DELETE FROM users',
  'SELECT * FROM users FOR UPDATE',
  'DELETE FROM others WHERE id IN (SELECT id FROM users)',
  'DELETE FROM users_old',
  'DELETE FROM old_users',
  "UPDATE users SET name = 'x' WHERE avatar = 'y'",
  "UPDATE users SET name = 'avatar = 1'",
  'UPDATE others SET avatar = 1',
  'UPDATE users SET avatar_size = 1',
  "INSERT INTO users (avatar) VALUES ('x')",
  'INSERT INTO users (avatar) VALUES (?) ON CONFLICT DO NOTHING',
  'INSERT INTO users (name) VALUES (?) ON CONFLICT (id) DO UPDATE SET name = excluded.name',
  'SELECT replace(avatar, 1, 2) FROM users',
  'CREATE TABLE users (id integer REFERENCES x ON UPDATE CASCADE ON DELETE CASCADE)',
  '',
  // Only read, or lock
  'SELECT * FROM users WHERE id = 1 FOR NO KEY UPDATE',
  'SELECT * FROM users FOR UPDATE OF users SKIP LOCKED',
  'SELECT * FROM (SELECT * FROM users FOR UPDATE) u; UPDATE others SET avatar = 1',
  'SELECT id, "delete", `update` FROM users',
  'SELECT id, delete FROM users',
  'SELECT u.delete FROM users u',
  'SELECT delete FROM users',
  'SELECT count(*) AS delete FROM users',
  'SELECT truncate(width, 2), insert(name, 1, 2, avatar) FROM users',
  'SELECT * FROM users WHERE last_update > now() AND delete_me',
  "SELECT 'it''s', 'delete from users' FROM users",
  `SELECT "it's", "delete from users" FROM users`,
  'SELECT $$delete from users$$ FROM users',
  'SELECT $a$; delete from users; $a$ FROM users',
  String.raw`SELECT E'it\'s; delete from users' FROM users`,
  '/* delete from users */ SELECT 1',
  '/* a /* b */ delete from users */ SELECT 1',
  'SELECT 1 /* delete from users',
  '-- update users set avatar = 1\nSELECT 1',
  '--delete from users\nSELECT 1',
  'SELECT 1 --now delete from users\n',
  '# delete from users\nSELECT 1',
  "SELECT * FROM users # don't delete from users\n",
  'EXPLAIN DELETE FROM users',
  'EXPLAIN QUERY PLAN UPDATE users SET avatar = 1',
  "EXECUTE find('delete from users')",
  // Other tables and columns
  'DELETE FROM others USING users WHERE users.id = others.id',
  'DELETE o FROM others o JOIN users u ON u.id = o.id',
  'DELETE others FROM others LEFT JOIN users ON users.id = others.id',
  'DELETE users FROM others AS users',
  'DELETE FROM users.others',
  'DELETE FROM "users "',
  'DELETE FROM #users',
  'DELETE FROM others WHERE users = 1',
  'DELETE FROM others WHERE a IS DISTINCT FROM users',
  'TRUNCATE others',
  'TRUNCATE users_old, old_users',
  'WITH x AS (DELETE FROM others RETURNING id) SELECT * FROM users',
  'REPLACE INTO others SELECT * FROM users',
  'INSERT OR IGNORE INTO users VALUES (1)',
  'INSERT OR REPLACE INTO others SELECT * FROM users',
  "INSERT INTO log VALUES ('replace into users', 'update users set avatar = 1')",
  "INSERT INTO users SET avatar = 'x' ON DUPLICATE KEY UPDATE name = 'y'",
  'INSERT INTO users SELECT * FROM x ON CONFLICT (avatar) DO UPDATE SET name = 1 WHERE users.avatar = 1',
  'INSERT INTO others SELECT avatar FROM users WHERE true ON CONFLICT DO UPDATE SET avatar = 1',
  'INSERT INTO users SELECT * FROM x FOR UPDATE',
  'WITH x AS (INSERT INTO users (avatar) VALUES (1) RETURNING id) INSERT INTO log VALUES (1) ON CONFLICT DO UPDATE SET avatar = 1',
  'MERGE INTO others USING users ON users.id = others.id WHEN MATCHED THEN DELETE',
  'MERGE INTO users USING x ON x.id = users.id WHEN MATCHED AND x.avatar = 1 THEN UPDATE SET name = x.a WHEN NOT MATCHED THEN INSERT (id, avatar) VALUES (x.id, x.avatar)',
  'MERGE INTO users USING x ON x.delete = users.id WHEN MATCHED THEN DO NOTHING',
  'MERGE INTO users USING x ON x.id = users.id WHEN MATCHED THEN UPDATE SET name = CASE WHEN x.a THEN replace(x.b, 1, 2) END',
  "UPDATE users SET name = 'x', title = avatar WHERE avatar = 'y' AND avatar = 'z'",
  "UPDATE users SET name = f(1, avatar = 'x')",
  "UPDATE users SET flags = ARRAY[1, avatar = 'x']",
  "UPDATE users SET name = (SELECT a, avatar = 'x' FROM y)",
  "UPDATE users SET name = 'x' RETURNING id, avatar, avatar = 'y' AS same",
  "UPDATE users SET name = 'x' OUTPUT inserted.id, inserted.avatar, inserted.name WHERE id = 1",
  "UPDATE users SET name = 'x' ORDER BY id, avatar = 'x' LIMIT 1, 2",
  'UPDATE users SET name = o.name FROM others o, avatar a WHERE a.id = o.id',
  'UPDATE others SET avatar = users.avatar FROM users WHERE users.id = others.id',
  "UPDATE o SET avatar = 'x' FROM others o JOIN users u ON u.id = o.id",
  "UPDATE others o JOIN users u ON o.id = u.id SET o.avatar = 'x', u.name = 'y'",
  "UPDATE others LEFT JOIN users ON users.id = others.id SET others.avatar = 'x'",
  'UPDATE app.others SET avatar = (SELECT avatar FROM users LIMIT 1)',
  'UPDATE users SET "avatar size" = 1, `avatar_` = 2, my_avatar = 3',
  'UPDATE users SET --avatar = ?,\n title = ?',
  'UPDATE users SET /* avatar = ?, */ title = ?',
  "UPDATE users SET title = 'a', note = ', avatar = 1'",
  `UPDATE users SET title = "it's", note = "', avatar = '"`,
  // Definitions
  'CREATE TABLE x (id integer REFERENCES users ON UPDATE SET NULL ON DELETE SET NULL, avatar text)',
  'CREATE TABLE x (t timestamp DEFAULT (now()) ON UPDATE now(), avatar text CHARACTER SET utf8) /* users */',
  'ALTER TABLE users ADD CONSTRAINT c FOREIGN KEY (avatar) REFERENCES x (id) ON DELETE CASCADE ON UPDATE CASCADE',
  'CREATE OR REPLACE VIEW users AS SELECT * FROM x',
  'CREATE TRIGGER t AFTER DELETE ON x BEGIN DELETE FROM users; UPDATE users SET avatar = CASE WHEN a THEN 1 END; DELETE FROM users; END',
  'CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW SET NEW.avatar = 1',
  'CREATE DEFINER = `a`@`b` TRIGGER t AFTER DELETE ON x FOR EACH ROW BEGIN IF OLD.id THEN DELETE FROM users; END IF; DELETE FROM users; END',
  'CREATE TRIGGER t BEFORE UPDATE OF avatar ON users FOR EACH ROW EXECUTE FUNCTION f()',
  'CREATE OR REPLACE FUNCTION f() RETURNS trigger AS $$ DECLARE n int; BEGIN DELETE FROM users; RETURN NEW; END $$ LANGUAGE plpgsql',
  "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM users'",
  'CREATE FUNCTION f() RETURNS void BEGIN ATOMIC DELETE FROM users; DELETE FROM users; END',
  'CREATE PROCEDURE p() BEGIN CASE 1 WHEN 1 THEN DELETE FROM users; END CASE; DELETE FROM users; END',
  'CREATE RULE r AS ON DELETE TO x DO ALSO (DELETE FROM users; DELETE FROM users)',
  'CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM users',
  'CREATE POLICY p ON users FOR DELETE USING (true)',
  'GRANT SELECT, UPDATE (avatar), DELETE ON users TO somebody',
  'REVOKE DELETE, TRUNCATE ON others FROM users',
  'DROP TABLE users',
]

/** None of these takes a file away in these databases, whatever they were elsewhere. */
const harmlessIn: readonly (readonly [databases: string, sql: string])[] = [
  ['mysql', String.raw`SELECT 'it\'s; delete from users' FROM users`],
  [
    'mysql',
    String.raw`SELECT * FROM users WHERE name = 'I can\'t delete from users that aren\'t mine'`,
  ],
  ['mysql', String.raw`SELECT "it\"s; delete from users; \"" FROM users`],
  ['mysql', String.raw`UPDATE users SET title = 'it\'s' WHERE avatar = 'a\'b' AND avatar = 'c'`],
  ['mysql', String.raw`INSERT INTO x VALUES ('a\\\'; DELETE FROM users; -- ', 'users')`],
  // ANSI_QUOTES and NO_BACKSLASH_ESCAPES
  ['mysql', String.raw`SELECT "C:\", "; delete from users; " FROM users`],
  ['mysql', String.raw`SELECT 'C:\', '; delete from users; ' FROM users`],
  ['mysql', "DO RELEASE_LOCK('delete from users')"],
  ['mysql', 'SET @a = (SELECT id FROM users FOR UPDATE)'],
  ['mysql', 'SET STATEMENT a = 1 FOR SELECT * FROM users FOR UPDATE'],
  ['mysql', 'SET STATEMENT a = 1 FOR EXPLAIN DELETE FROM users'],
  ['mysql', "UPDATE { OJ others o LEFT OUTER JOIN users u ON o.id = u.id } SET o.avatar = 'x'"],
  ['postgres sqlite mssql', String.raw`SELECT 'C:\', '; delete from users' FROM users`],
  ['postgres sqlite mssql', String.raw`INSERT INTO x VALUES ('a\''; DELETE FROM users; --')`],
  ['postgres sqlite mssql', String.raw`SELECT "a\", '"; delete from users; "' FROM users`],
  ['postgres', String.raw`SELECT 'C:\', 'it''s', '; delete from users; ' FROM users`],
  // standard_conforming_strings = off
  ['postgres', String.raw`SELECT 'it\'s; delete from users; ' FROM users`],
  ['postgres', "SELECT ARRAY['it''s [', '; delete from users; ]'] FROM users"],
  ['postgres sqlite', 'SELECT name delete FROM users'],
  ['postgres sqlite', 'SELECT count(*) delete FROM users'],
  ['postgres sqlite', 'SELECT id replace FROM users'],
  ['postgres sqlite', 'SELECT u.title truncate FROM users u'],
  ['sqlite', 'SELECT [delete from users] FROM users'],
  ['mssql', 'SELECT [delete from users] FROM users'],
  ['postgres sqlite mssql', 'UPDATE users SET title = ?\n --, avatar = ?\n WHERE id = ?'],
  ['postgres', 'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT (1); DELETE FROM users; END'],
]

describe('a statement', () => {
  it.each(harmful)('is refused: %s', sql => {
    for (const database of databases) {
      const run = () => refuseStatement(sql, database, [cleaning], 'rows')
      expect(run, database).toThrow(UnsupportedError)
      expect(run, database).toThrow('files of avatar')
    }
  })

  it.each(harmfulIn)('is refused in %s, and in a database that nobody knows: %s', (names, sql) => {
    for (const database of [...names.split(' '), 'oracle'])
      expect(() => refuseStatement(sql, database, [cleaning], 'rows'), database).toThrow(
        UnsupportedError,
      )
  })

  it.each(harmless)('is left alone: %s', sql => {
    for (const database of databases)
      expect(() => refuseStatement(sql, database, [cleaning], 'rows'), database).not.toThrow()
  })

  it.each(harmlessIn)('is left alone in %s: %s', (names, sql) => {
    for (const database of names.split(' '))
      expect(() => refuseStatement(sql, database, [cleaning], 'rows'), database).not.toThrow()
  })

  it.each(harmful)('is left alone where files stay by themselves: %s', sql => {
    for (const database of databases)
      expect(() => refuseStatement(sql, database, [keeping], 'rows'), database).not.toThrow()
  })

  it.each(['mysql', 'mariadb', 'aurora-mysql', 'MySqlDialect', 'MariaDbPlatform'])(
    'is read as MySQL and MariaDB do: %s',
    database => {
      const sql = String.raw`SELECT 'it\'s; delete from users' FROM users`
      expect(() => refuseStatement(sql, database, [cleaning], 'rows')).not.toThrow()
    },
  )

  it.each([
    'postgres',
    'postgresql',
    'cockroachdb',
    'aurora-postgres',
    'PgDialect',
    'PostgreSqlPlatform',
  ])('is read as PostgreSQL does: %s', database => {
    const sql = "SELECT ARRAY['it''s [', '; delete from users; ]'], 1 AS delete FROM users"
    expect(() => refuseStatement(sql, database, [cleaning], 'rows')).not.toThrow()
  })

  it.each([
    'sqlite',
    'better-sqlite3',
    'sqljs',
    'capacitor',
    'cordova',
    'expo',
    'nativescript',
    'react-native',
    'SQLiteSyncDialect',
    'LibSqlPlatform',
  ])('is read as SQLite does: %s', database => {
    const sql = "SELECT [it's], '; delete from users', name replace FROM users"
    expect(() => refuseStatement(sql, database, [cleaning], 'rows')).not.toThrow()
  })

  it.each(['mssql', 'sqlserver', 'MsSqlPlatform'])('is read as SQL Server does: %s', database => {
    const sql = "SELECT [it's], '; delete from users' FROM #users /* a /* b */ delete from users */"
    expect(() => refuseStatement(sql, database, [cleaning], 'rows')).not.toThrow()
  })

  it('may be for a table of the same name in another schema', () => {
    const tables = [{ ...cleaning, schema: 'my.app' }]
    const read = (sql: string) => () => refuseStatement(sql, database, tables, 'rows')
    expect(read('DELETE FROM other.users')).not.toThrow()
    expect(read('UPDATE "other".users SET avatar = \'x\'')).not.toThrow()
    expect(read("UPDATE other.users, x SET other.users.avatar = 'x'")).not.toThrow()
    expect(read('DELETE FROM "my.app"."users"')).toThrow(UnsupportedError)
    expect(read('DELETE FROM "db"."My.App"."users"')).toThrow(UnsupportedError)
    expect(read('DELETE FROM other.users; DELETE FROM `my.app.users`')).toThrow(UnsupportedError)
    // Which one this is depends on the connection.
    expect(read('DELETE FROM users')).toThrow(UnsupportedError)
  })

  it('may be for another table of the same name that is known to have no files', () => {
    const inArchive = (sql: string): void => {
      refuseStatement(sql, 'postgres', [{ ...cleaning, others: ['Archive.users'] }], 'rows')
    }
    inArchive('DELETE FROM archive.users')
    inArchive('UPDATE "archive"."users" SET avatar = 1')
    expect(() => inArchive('DELETE FROM users')).toThrow(UnsupportedError)
    expect(() => inArchive('DELETE FROM app.users')).toThrow(UnsupportedError)
  })

  it('may be for a table whose name has dots, quotes or letters of any kind', () => {
    for (const [table, sql] of [
      ['my.users', 'DELETE FROM "my.users"'],
      ['my.users', 'DELETE FROM my.users'],
      ['my.users', 'DELETE FROM x."my.users"'],
      ['a "b" c', 'DELETE FROM "a ""b"" c"'],
      ['a`b', 'DELETE FROM `a``b`'],
      ['a]b', 'DELETE FROM [a]]b]'],
      ['Größe', 'DELETE FROM größe'],
      ['2fa_users', 'DELETE FROM 2fa_users'],
      ['delete', 'DELETE FROM "delete"'],
    ] as const)
      expect(() => refuseStatement(sql, database, [{ ...cleaning, table }], 'rows')).toThrow(
        UnsupportedError,
      )
    const dotted = [{ ...cleaning, table: 'my.users' }]
    expect(() => refuseStatement('DELETE FROM other.users', database, dotted, 'rows')).not.toThrow()
  })

  it('is refused for one of several tables, and told by its columns', () => {
    const photos = { table: 'photos', columns: { image: new FileField(), raw: new FileField() } }
    const read = (sql: string) => () =>
      refuseStatement(sql, database, new Set([cleaning, photos]).values(), 'rows')
    expect(read('DELETE FROM photos')).toThrow('files of image, raw')
    expect(read('UPDATE photos SET raw = 1, avatar = 2')).toThrow('files of raw')
    expect(read('UPDATE photos SET avatar = 2')).not.toThrow()
    expect(read('DELETE p, u FROM photos p, users u')).toThrow('files of avatar, image, raw')
  })

  it('keeps files of its own setting: what is replaced, or what goes with rows', () => {
    const of = (options: object) => [
      { table: 'users', columns: { avatar: new FileField(options) } },
    ]
    const deletion = 'DELETE FROM users'
    const update = "UPDATE users SET avatar = ''"
    const replacement = "UPDATE OR REPLACE users SET avatar = ''"
    const keepsGone = of({ onDelete: 'keep' })
    const keepsReplaced = of({ onReplace: 'keep' })
    expect(() => refuseStatement(deletion, database, keepsGone, 'rows')).not.toThrow()
    expect(() => refuseStatement(update, database, keepsGone, 'rows')).toThrow(UnsupportedError)
    expect(() => refuseStatement(deletion, database, keepsReplaced, 'rows')).toThrow(
      UnsupportedError,
    )
    expect(() => refuseStatement(update, database, keepsReplaced, 'rows')).not.toThrow()
    for (const tables of [keepsGone, keepsReplaced])
      expect(() => refuseStatement(replacement, database, tables, 'rows')).toThrow(UnsupportedError)
  })

  it.each([
    [
      'literals',
      `INSERT INTO users VALUES ${"(1, 'it''s'), ".repeat(50_000)}(1) ON CONFLICT (id) DO UPDATE SET name = 1`,
    ],
    ['tables', `UPDATE ${'users, '.repeat(100_000)} x SET name = 1`],
    ['columns', `UPDATE users SET ${'x.name = 1, '.repeat(100_000)} name = 1`],
    [
      'tables and columns',
      `UPDATE ${'a, '.repeat(50_000)} users SET ${'a.b = 1, '.repeat(50_000)} name = 1`,
    ],
    ['targets', `DELETE ${'a, '.repeat(50_000)} b FROM ${'a, '.repeat(50_000)} users`],
    ['names', `DELETE FROM users${'.a'.repeat(300_000)}`],
    ['verbs', 'update '.repeat(100_000)],
    ['verbs and tables', 'update users '.repeat(50_000)],
    ['verbs and sets', 'update others set '.repeat(50_000)],
    ['deletions', 'delete from others using users '.repeat(30_000)],
    ['statements', 'update users set name = 1; '.repeat(20_000)],
    ['ends of statements', `update users ${';'.repeat(500_000)}`],
    ['parentheses', `update users set name = ${'('.repeat(500_000)}`],
    ['parentheses of lists', `update users set ${'('.repeat(500_000)}`],
    ['closed parentheses', `update users set ${')'.repeat(500_000)}`],
    ['parentheses with verbs', '(update users set name = 1 '.repeat(20_000)],
    ['backslashes', `update users set name = '${'\\'.repeat(500_001)}'`],
    ['escaped quotes', `update users set name = '${"\\'".repeat(300_000)}'`],
    ['doubled quotes', `update users set name = '${"''".repeat(300_000)}'`],
    ['quotes', `update users set name = ${"'".repeat(500_001)}`],
    ['names in brackets', `update users set ${'['.repeat(500_000)}`],
    ['beginnings of comments', `update users ${'/*'.repeat(300_000)}`],
    ['ends of comments', `update users /* ${'*/'.repeat(300_000)}`],
    ['comments that are done', `update users ${'/*!'.repeat(200_000)}`],
    ['lines', `update users ${'--\n'.repeat(200_000)} set name = 1`],
    ['minus signs', `update users set name = 5${'--1'.repeat(200_000)}`],
    ['hashes', `update users ${'# \n'.repeat(200_000)} set name = 1`],
    ['dollars', `update users set name = ${'$'.repeat(500_001)}`],
    [
      'tags',
      `update users set name = ${Array.from({ length: 100_000 }, (_, id) => `$t${id}$ `).join('')}`,
    ],
    [
      'texts in texts',
      `do ${Array.from({ length: 50_000 }, (_, id) => `$t${id}$ do `).join('')} update users`,
    ],
    ['ends of bodies', `create trigger t ${'begin case end; '.repeat(50_000)} update users`],
  ])('is read in a moment, however many %s it has', (what, sql) => {
    const known = /brackets|beginnings of comments/.test(what) ? 'mssql' : 'mysql'
    expect(() => refuseStatement(sql, known, [cleaning], 'rows')).not.toThrow()
  })
})
