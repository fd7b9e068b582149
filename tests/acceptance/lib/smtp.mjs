// A mail server that takes everything.
import net from 'node:net';

/** Takes mails and keeps them: {at, from, to, text}; `now` gives the time. */
export async function smtpServer({ now = Date.now } = {}) {
  const mails = [];
  const server = net.createServer((socket) => {
    let mail = { to: [] };
    let text = null;
    let rest = '';
    socket.on('error', () => {});
    socket.write('220 test\r\n');
    socket.on('data', (bytes) => {
      rest += bytes;
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (text !== null) {
          if (line !== '.') {
            text.push(line);
            continue;
          }
          mails.push({ at: now(), ...mail, text: text.join('\n') });
          text = null;
        } else if (line.startsWith('MAIL')) mail = { from: line, to: [] };
        else if (line.startsWith('RCPT')) mail.to.push(line);
        if (line === 'DATA') {
          text = [];
          socket.write('354 go on\r\n');
        } else socket.write(line.startsWith('QUIT') ? '221 bye\r\n' : '250 ok\r\n');
      }
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { mails, port: server.address().port, close: () => server.close() };
}
