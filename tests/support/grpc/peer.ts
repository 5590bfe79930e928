/** A process on Node that is the server or the client of the echo service: node:http2 there is what most gRPC users have. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { Metadata } from "@grpc/grpc-js";

import { echoClient, startEchoServer } from "./echo-service.ts";
import { runMatrix } from "./matrix.ts";

const [role = "", ...rest] = process.argv.slice(2);

if (role === "server") {
  const [cert, key] = rest;
  const tls = cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : undefined;
  const server = await startEchoServer(tls);
  console.log(server.port);
  // Each line asks for the counts.
  createInterface({ input: process.stdin })
    .on("line", () => console.log(JSON.stringify(server.counts())))
    .on("close", () => process.exit());
} else if (role === "call") {
  const [port, method = "", number, bytes] = rest;
  const client = echoClient(Number(port));
  const message = { number: Number(number), payload: Buffer.alloc(Number(bytes)) };
  const call = client.call(method as "Unary" | "Wait");
  const [code, details] = await new Promise<readonly unknown[]>((resolve) =>
    call(message, new Metadata(), {}, (error) => resolve([error?.code ?? 0, error?.details ?? ""])),
  );
  console.log(JSON.stringify([code, details]));
  client.close();
} else {
  const [port, ca, name] = rest;
  const client = echoClient(Number(port), ca ? { ca: readFileSync(ca), name: name ?? "" } : undefined);
  console.log(JSON.stringify(await runMatrix(client)));
  client.close();
}
