/** A datagram socket as systemd's, which collects the messages of a service. The runtimes have none: it uses the C library. */

import { dlopen, ptr } from "bun:ffi";

import { until } from "./wait.ts";

const library = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  close: { args: ["i32"], returns: "i32" },
});

const [unixDomain, datagram, dontWait] = [1, 2, 0x40];

export class NotifySocket implements Disposable {
  readonly path: string;
  readonly #fd: number;
  /** Each is the lines of one datagram. */
  readonly messages: (readonly string[])[] = [];

  /** @param path begins with "@" for the abstract namespace */
  constructor(path: string) {
    this.path = path;
    this.#fd = library.symbols.socket(unixDomain, datagram, 0);
    const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
    const address = Buffer.concat([Buffer.from([unixDomain, 0]), Buffer.from(name)]);
    if (library.symbols.bind(this.#fd, ptr(address), address.length) !== 0)
      throw new Error(`Cannot bind ${path}`);
  }

  read(): void {
    const bytes = Buffer.alloc(4_096);
    for (;;) {
      const length = Number(library.symbols.recv(this.#fd, ptr(bytes), bytes.length, dontWait));
      if (length < 0) return;
      this.messages.push(bytes.toString("utf8", 0, length).split("\n"));
    }
  }

  /** The values of a variable, in order. */
  values(name: string): readonly string[] {
    this.read();
    return this.messages.flatMap((lines) =>
      lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1)),
    );
  }

  async until(name: string, count = 1): Promise<readonly string[]> {
    await until(
      () => this.values(name).length >= count,
      `${count} × ${name} in ${JSON.stringify(this.messages)}`,
      10_000,
    );
    return this.values(name);
  }

  [Symbol.dispose](): void {
    library.symbols.close(this.#fd);
  }
}
