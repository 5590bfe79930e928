/** A scripted API server of Kubernetes: EndpointSlices with versions, pages, watches, bookmarks and their errors, over TLS. */

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";

import { TestAuthority } from "./acme-authority.ts";

interface EndpointChange {
  readonly ready?: boolean | null;
  readonly serving?: boolean | null;
  readonly terminating?: boolean | null;
}

/** An endpoint of an EndpointSlice; the pod's name is its address, unless given. */
export function endpoint(address: string, conditions: EndpointChange = {}, pod = `web-${address}`): object {
  return {
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false, ...conditions },
    nodeName: "node-1",
    zone: "zone-a",
    hints: { forZones: [{ name: "zone-a" }] },
    targetRef: { kind: "Pod", namespace: "default", name: pod, uid: "1" },
  };
}

export interface SliceObject {
  readonly metadata: { readonly name: string };
}

/** An EndpointSlice of service web in namespace default, as the API has it. */
export function slice(name: string, endpoints: readonly object[], change: object = {}): SliceObject {
  return {
    metadata: {
      name,
      namespace: "default",
      uid: name,
      generation: 1,
      creationTimestamp: "2026-11-30T00:00:00Z",
      labels: {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
      },
    },
    addressType: "IPv4",
    endpoints,
    ports: [{ name: "http", protocol: "TCP", port: 8080 }],
    ...change,
  } as SliceObject;
}

interface StoredEvent {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: object;
}

export interface ApiRequestSeen {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
}

type Respond = (seen: ApiRequestSeen, response: ServerResponse) => boolean;

export class FakeKubernetesApi implements AsyncDisposable {
  /** Only requests with this token are served. */
  token = "token-1";
  /** Items of a page, whatever limit a client asks for. */
  pageSize = Infinity;
  /** Watches from before this version are answered with 410. */
  oldestVersion = 0;
  /** Handles a request in place of the server, if it returns true. */
  respond: Respond = () => false;
  readonly requests: ApiRequestSeen[] = [];
  /** Of the authority that signed the server's certificate, as PEM. */
  readonly ca: string;
  readonly #pair: { readonly cert: string; readonly key: string };
  readonly #slices = new Map<string, object>();
  readonly #events: StoredEvent[] = [];
  readonly #watches = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  #version = 100;
  #server: Server | undefined;

  private constructor(ca: string, pair: { readonly cert: string; readonly key: string }) {
    this.ca = ca;
    this.#pair = pair;
  }

  /** The certificate is for the name localhost. */
  static async create(): Promise<FakeKubernetesApi> {
    const authority = await TestAuthority.create();
    return new FakeKubernetesApi(authority.pem, await authority.pair("localhost"));
  }

  /** @param port 0 takes any free port */
  async start(port = 0): Promise<this> {
    const server = createServer(this.#pair, (request, response) => this.#handle(request, response));
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.on("tlsClientError", () => {});
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    return this;
  }

  get port(): number {
    const address = this.#server?.address() as AddressInfo | undefined;
    return address?.port ?? 0;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /** Open watches. */
  get watches(): number {
    return this.#watches.size;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get version(): string {
    return String(this.#version);
  }

  lists(): readonly ApiRequestSeen[] {
    return this.requests.filter(({ query }) => query.get("watch") === null);
  }

  watchesAsked(): readonly ApiRequestSeen[] {
    return this.requests.filter(({ query }) => query.get("watch") !== null);
  }

  /** Adds a slice or changes it. */
  put(object: SliceObject): void {
    this.#store(this.#slices.has(object.metadata.name) ? "MODIFIED" : "ADDED", object);
  }

  remove(object: SliceObject): void {
    this.#store("DELETED", object);
  }

  /** Something else in the cluster changed: the version goes on, and no watch of this service has an event. */
  advance(by = 1): void {
    this.#version += by;
  }

  bookmark(): void {
    const object = {
      kind: "EndpointSlice",
      apiVersion: "discovery.k8s.io/v1",
      metadata: { resourceVersion: this.version },
    };
    this.send({ type: "BOOKMARK", object });
  }

  /** Sends a line to all watches. */
  send(event: object): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify(event)}\n`);
  }

  /** Ends all watches, as at their timeout. */
  end(): void {
    for (const watch of this.#watches) watch.end();
  }

  /** Open watches get nothing more, as on a connection that died without a sign. */
  mute(): void {
    this.#watches.clear();
  }

  /** Breaks all connections off. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, "close");
    server.close();
    // A connection may be accepted a moment later.
    const cutting = setInterval(() => this.cut(), 10);
    this.cut();
    await closed;
    clearInterval(cutting);
  }

  #store(type: StoredEvent["type"], object: SliceObject): void {
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: this.version } };
    if (type === "DELETED") this.#slices.delete(object.metadata.name);
    else this.#slices.set(object.metadata.name, stored);
    const event = { version: this.#version, type, object: stored };
    this.#events.push(event);
    this.send(lineOf(event));
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url ?? "", "https://localhost");
    const seen = { path: pathname, query, token: request.headers.authorization?.replace(/^Bearer /, "") };
    this.requests.push(seen);
    response.setHeader("Content-Type", "application/json");
    if (this.respond(seen, response)) return;
    if (seen.token !== this.token) return refuse(response, 401, "Unauthorized");
    const isRight =
      pathname === "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices" &&
      query.get("labelSelector") === "kubernetes.io/service-name=web";
    if (!isRight) return refuse(response, 404, "the server could not find the requested resource");
    if (query.get("watch") === null) this.#list(query, response);
    else this.#watch(query, response);
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const all = [...this.#slices.values()];
    const start = Number(query.get("continue") ?? 0);
    const end = start + Math.min(this.pageSize, Number(query.get("limit") ?? all.length));
    response.end(
      JSON.stringify({
        kind: "EndpointSliceList",
        apiVersion: "discovery.k8s.io/v1",
        metadata: { resourceVersion: this.version, ...(end < all.length && { continue: String(end) }) },
        items: all.slice(start, end),
      }),
    );
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get("resourceVersion"));
    if (from < this.oldestVersion)
      return refuse(response, 410, `too old resource version: ${from}`, "Expired");
    this.#watches.add(response);
    response.on("close", () => this.#watches.delete(response));
    response.flushHeaders();
    for (const event of this.#events)
      if (event.version > from) response.write(`${JSON.stringify(lineOf(event))}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function lineOf({ type, object }: StoredEvent): object {
  return { type, object: { kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1", ...object } };
}

/** An error as the API reports it, as a status of a response or as the object of an event. */
export function failureStatus(code: number, message: string, reason = ""): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
}

export function refuse(response: ServerResponse, code: number, message: string, reason = ""): void {
  response.statusCode = code;
  response.end(JSON.stringify(failureStatus(code, message, reason)));
}
