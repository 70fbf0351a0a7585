/** The control socket of an OVS daemon: JSON-RPC 1.0 over a unix socket (lib/unixctl.c, lib/jsonrpc.c). */
import { connect, type Socket } from 'node:net';

interface Reply {
  readonly id: number;
  readonly result: string | null;
  readonly error: string | null;
}

interface Waiting {
  readonly resolve: (result: string) => void;
  readonly reject: (error: Error) => void;
  readonly method: string;
}

export class UnixctlError extends Error {}

export class Unixctl {
  private readonly socket: Socket;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private text = '';
  /** Where the scan for the end of a reply goes on. */
  private at = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (data: string) => this.take(data));
    socket.on('close', () => this.fail(new UnixctlError('the daemon closed its control socket')));
    socket.on('error', (error) => this.fail(error));
  }

  static open(path: string): Promise<Unixctl> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Unixctl(socket));
      });
    });
  }

  /** Text of the answer; throws UnixctlError with the daemon's words. Calls are carried out in the order they are made. */
  call(method: string, ...params: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const id = this.nextId++;
      this.waiting.set(id, { resolve, reject, method });
      this.socket.write(JSON.stringify({ method, params, id }));
    });
  }

  close(): void {
    this.socket.destroy();
  }

  /** Replies follow each other without a separator: an object ends where its braces are even. */
  private take(data: string): void {
    this.text += data;
    let from = 0;
    for (; this.at < this.text.length; this.at++) {
      const char = this.text[this.at]!;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (char === '\\') this.escaped = true;
        else if (char === '"') this.inString = false;
      } else if (char === '"') this.inString = true;
      else if (char === '{') this.depth++;
      else if (char === '}' && --this.depth === 0) {
        this.answer(JSON.parse(this.text.slice(from, this.at + 1)) as Reply);
        from = this.at + 1;
      }
    }
    this.text = this.text.slice(from);
    this.at -= from;
  }

  private answer(reply: Reply): void {
    const waiting = this.waiting.get(reply.id);
    if (waiting === undefined) return;
    this.waiting.delete(reply.id);
    if (reply.error === null) waiting.resolve(reply.result ?? '');
    else waiting.reject(new UnixctlError(`${waiting.method}: ${reply.error.trim()}`));
  }

  private fail(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
