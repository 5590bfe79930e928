/** Clients over TLS: HTTP/1.1, and HTTP/2 with several streams on each connection; and what a failed response is called. */

import { type ClientHttp2Session, connect } from "node:http2";

/** Requests of a client on one HTTP/2 connection, some of them at the same time. */
const [requestsOfConnection, concurrent] = [40, 4];

/** Opens a connection, sends GETs on it, and closes it. Rejects with the first failure. */
export async function getOverHttp2(port: number): Promise<void> {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      session.once("connect", () => resolve());
      session.once("error", reject);
    });
    let isLeaving = false;
    session.on("goaway", () => (isLeaving = true));
    // A request that meets the end of its connection has its own error.
    session.on("error", () => {});
    let left = requestsOfConnection;
    const lane = async () => {
      for (; left > 0 && !isLeaving && !session.closed && !session.destroyed; left--) await get(session);
    };
    await Promise.all(Array.from({ length: concurrent }, lane));
  } finally {
    session.close();
  }
}

/** Code of RST_STREAM for a request that was not begun: the client may send it again (RFC 9113, 8.7). */
const refusedStream = 7;

function get(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":path": "/work?ms=10" });
    let status = 0;
    stream.on("response", (fields) => (status = Number(fields[":status"])));
    stream.on("error", (error) => (stream.rstCode === refusedStream ? resolve() : reject(error)));
    stream.on("close", () => {
      if (status === 200 || stream.rstCode === refusedStream) resolve();
      else reject(new Error(`status ${status}, code ${stream.rstCode}`));
    });
    stream.resume();
    stream.end();
  });
}

/** A GET over TLS, on a connection that is kept where the server keeps it. */
export async function getOverTls(port: number): Promise<void> {
  const response = await fetch(`https://127.0.0.1:${port}/work?ms=10`, {
    tls: { rejectUnauthorized: false },
  });
  await readWhole(response);
}

/** The failure of a response that broke off. */
export const cutBody = "cut within the body";

/** Reads a response to its end. Rejects for another status than 200, and with {@link cutBody} where it breaks off. */
export async function readWhole(response: Response): Promise<void> {
  await response.arrayBuffer().catch(() => {
    throw new Error(cutBody);
  });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
}
