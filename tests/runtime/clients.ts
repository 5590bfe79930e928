/** Web clients for tests that run on every runtime. They never use a proxy of the environment. */

export function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { redirect: "manual", ...init, proxy: false });
}

/** Resolves when the socket is open; `url` is the http one. */
export async function openSocket(url: string, protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), protocols);
  socket.binaryType = "arraybuffer";
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onclose = ({ code }) => reject(new Error(`Cannot open ${url}: closed with ${code}`));
  });
  socket.onclose = null;
  return socket;
}

/** Sends one message and resolves with the next one that is received. */
export function exchange(socket: WebSocket, message: string | Uint8Array<ArrayBuffer>): Promise<unknown> {
  return new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve(data);
    socket.send(message);
  });
}

export function closeOf(socket: WebSocket): Promise<{ readonly code: number; readonly reason: string }> {
  return new Promise((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason });
  });
}

/** A body that starts and never ends. */
export function quietStream(cancel: () => void = () => {}): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode("begun")),
    cancel,
  });
}
