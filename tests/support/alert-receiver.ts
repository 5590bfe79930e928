/** A receiver of alerts on loopback: an HTTP server that keeps what it gets and answers as a test says. */

import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface ReceivedAlert {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: Record<string, unknown>;
}

/** A status, or a function that answers itself; it may also not answer at all. */
export type Reaction = number | ((response: ServerResponse) => void);

export class AlertReceiver implements AsyncDisposable {
  readonly received: ReceivedAlert[] = [];
  /** What the next requests get, in order; the last one stays. */
  reactions: Reaction[] = [200];
  readonly #server: Server;
  readonly #scheme: "http" | "https";

  private constructor(server: Server, scheme: "http" | "https") {
    this.#server = server;
    this.#scheme = scheme;
  }

  static async start(
    tls?: { readonly cert: string; readonly key: string },
    port = 0,
  ): Promise<AlertReceiver> {
    const server = tls ? createSecureServer(tls) : createServer();
    const receiver = new AlertReceiver(server as Server, tls ? "https" : "http");
    server.on("request", (request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      request.on("end", () => {
        receiver.received.push({ headers: request.headers, body, json: JSON.parse(body || "{}") });
        const reaction = receiver.reactions[0] ?? 200;
        if (receiver.reactions.length > 1) receiver.reactions.shift();
        if (typeof reaction === "function") reaction(response);
        else response.writeHead(reaction).end("done");
      });
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/hook`;
  }

  /** What changed about which problem, in the order of arrival. */
  get events(): readonly string[] {
    return this.received.map(({ json }) => `${String(json["event"])} ${String(json["id"])}`);
  }

  get keys(): readonly string[] {
    return this.received.map(({ headers }) => String(headers["idempotency-key"]));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Verifies a signature as docs/alerts.md tells receivers to. */
export function isSigned({ headers, body }: ReceivedAlert, secret: string): boolean {
  const [, time = "", digest = ""] =
    /^t=(\d+),v1=([\da-f]{64})$/.exec(String(headers["evenkeel-signature"])) ?? [];
  return digest === createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
}
