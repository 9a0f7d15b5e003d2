import { describe, expect, it } from 'vitest'
import { UnsupportedError } from '../core/errors.ts'
import { FileField } from './file-field.ts'
import { type FiledTable, refuseStatement } from './statements.ts'

const cleaning: FiledTable = { table: 'users', columns: { avatar: new FileField() } }
const keeping: FiledTable = {
  table: 'users',
  columns: { avatar: new FileField({ onDelete: 'keep', onReplace: 'keep' }) },
}

/** Each takes files away from rows. */
const harmful = [
  'DELETE FROM users',
  'delete from users where id = 1',
  'DELETE FROM "users" WHERE id = 1 RETURNING *',
  'DELETE FROM `users`',
  'DELETE FROM [users]',
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
]

describe('a statement', () => {
  it.each(harmful)('is refused: %s', sql => {
    const run = () => refuseStatement(sql, [cleaning], 'rows')
    expect(run).toThrow(UnsupportedError)
    expect(run).toThrow('files of avatar')
  })

  it.each(harmless)('is left alone: %s', sql => {
    expect(() => refuseStatement(sql, [cleaning], 'rows')).not.toThrow()
  })

  it.each(harmful)('is left alone where files stay by themselves: %s', sql => {
    expect(() => refuseStatement(sql, [keeping], 'rows')).not.toThrow()
  })

  it('is read in a moment, however long it is', () => {
    const values = Array.from({ length: 20_000 }, (_, id) => `(${id}, 'it''s')`).join(', ')
    const sql = `INSERT INTO users (id, name) VALUES ${values} ON CONFLICT (id) DO UPDATE SET name = 1`
    expect(() => refuseStatement(sql, [cleaning], 'rows')).not.toThrow()
    const nearly = `update ${'users '.repeat(20_000)}`
    expect(() => refuseStatement(nearly, [cleaning], 'rows')).not.toThrow()
  })
})
