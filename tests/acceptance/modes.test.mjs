// Prompts and state on disk are nobody else's to read, whatever the umask of whoever starts the server.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, temporaryFolder, until } from './lib/sentinel.mjs';

const modes = (root) => {
  const out = [[root, statSync(root)]];
  for (const name of readdirSync(root, { recursive: true })) {
    try {
      out.push([name, statSync(path.join(root, name))]);
    } catch {
      // gone in between: a journal
    }
  }
  return out.map(([name, info]) => [name, info.isDirectory() ? 'folder' : 'file', (info.mode & 0o777).toString(8)]);
};

test('folders are 0700 and files 0600', async () => {
  const before = process.umask(0o022);
  const dataDir = path.join(temporaryFolder(), 'data');
  mkdirSync(dataDir, { mode: 0o755 }); // as an earlier version made it
  const folder = folderWith({
    'sentinel.yml': 'gateway:\n  providers: [{name: p, base_url: "http://127.0.0.1:9/v1"}]\n  routes: [{targets: [{provider: p}]}]\n',
  });
  const server = await Sentinel.serve({ dataDir, args: ['--config', `${folder}/sentinel.yml`] });
  process.umask(before);
  // A call that fails is a row as well.
  await server.request('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'secret' }] }, { authorization: 'Bearer x' });
  await until('the call is stored', async () => (await server.sql('SELECT COUNT(*) AS n FROM llm_events'))[0].n > 0, { seconds: 60 });
  const open = modes(dataDir).filter(([, kind, mode]) => mode !== (kind === 'folder' ? '700' : '600'));
  assert.deepEqual(open, []);
  assert.ok(modes(dataDir).length > 8, 'the data directory is nearly empty');
  await server.stop();
  assert.deepEqual(modes(dataDir).filter(([, kind, mode]) => mode !== (kind === 'folder' ? '700' : '600')), []);
});
