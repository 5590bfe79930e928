/** What a gRPC client does with the echo service: each kind of call, and each way in which one can end. */

import { Metadata, type ServiceError } from "@grpc/grpc-js";

import type { EchoClient, Message } from "./echo-service.ts";

const megabyte = 1_048_576;

interface UnaryResult {
  readonly message: Message | undefined;
  readonly error: ServiceError | null;
  readonly metadata: Metadata | undefined;
  readonly trailers: Metadata | undefined;
}

function unary(
  client: EchoClient,
  method: "Unary" | "Fail" | "Wait",
  message: Message,
  { sent = "", deadlineMs }: { readonly sent?: string; readonly deadlineMs?: number } = {},
): Promise<UnaryResult> {
  const metadata = new Metadata();
  if (sent !== "") metadata.set("x-sent", sent);
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  return new Promise((resolve) => {
    let received: Metadata | undefined;
    let result: { readonly error: ServiceError | null; readonly value: Message | undefined } | undefined;
    let trailers: Metadata | undefined;
    const finish = () => {
      if (result && trailers)
        resolve({ message: result.value, error: result.error, metadata: received, trailers });
    };
    const call = client.call(method)(message, metadata, options, (error, value) => {
      result = { error, value };
      finish();
    });
    call.on("metadata", (given: Metadata) => (received = given));
    call.on("status", (status: { readonly metadata: Metadata }) => {
      trailers = status.metadata;
      finish();
    });
  });
}

/** The results of all calls, as a table of names and values. */
export async function runMatrix(client: EchoClient): Promise<Readonly<Record<string, unknown>>> {
  const plain = await unary(client, "Unary", { text: "hello" }, { sent: "yes" });
  const large = await unary(client, "Unary", { payload: Buffer.alloc(5 * megabyte, 7) });
  const failed = await unary(client, "Fail", { number: 9 });
  const late = await unary(client, "Wait", { number: 10_000 }, { deadlineMs: 300 });
  const many = await Promise.all(
    Array.from({ length: 300 }, (_, i) => unary(client, "Unary", { text: String(i) })),
  );
  return {
    unary: plain.message?.text,
    metadata: plain.metadata?.get("x-seen"),
    trailers: plain.trailers?.get("x-trailer"),
    largeBytes: large.message?.payload?.filter((byte) => byte === 7).length,
    failure: [failed.error?.code, failed.error?.details],
    failureDetail: [...((failed.error?.metadata.get("x-detail-bin")[0] as Buffer | undefined) ?? [])],
    deadline: late.error?.code,
    clientStream: await collect(client),
    serverStream: await repeat(client),
    lockstep: await chat(client),
    cancelled: await cancel(client),
    manyAtOnce: many.filter(({ message }, i) => message?.text === String(i)).length,
  };
}

function collect(client: EchoClient): Promise<readonly unknown[]> {
  return new Promise((resolve) => {
    const call = client.collect((error, message) =>
      resolve([error?.code, message?.number, message?.text?.length]),
    );
    for (let i = 0; i < 100; i++) call.write({ text: String(i), payload: Buffer.alloc(30_000) });
    call.end();
  });
}

function repeat(client: EchoClient): Promise<readonly unknown[]> {
  return new Promise((resolve) => {
    const call = client.repeat({ text: "again", number: 2_000 });
    const numbers: number[] = [];
    call.on("data", ({ number = 0 }: Message) => numbers.push(number));
    call.on("status", ({ code }: { readonly code: number }) =>
      resolve([code, numbers.length, numbers.every((number, i) => number === i)]),
    );
    call.on("error", () => {});
  });
}

/** Each message is sent when the one before has come back. */
function chat(client: EchoClient): Promise<readonly unknown[]> {
  return new Promise((resolve) => {
    const call = client.chat();
    let count = 0;
    call.on("data", ({ text }: Message) => {
      count += 1;
      if (text !== `message ${count}` || count === 100) call.end();
      else call.write({ text: `message ${count + 1}` });
    });
    call.on("status", ({ code }: { readonly code: number }) => resolve([code, count]));
    call.on("error", () => {});
    call.write({ text: "message 1" });
  });
}

function cancel(client: EchoClient): Promise<unknown> {
  return new Promise((resolve) => {
    const call = client.endless({});
    let count = 0;
    call.on("data", () => {
      count += 1;
      if (count === 20) call.cancel();
    });
    call.on("status", ({ code }: { readonly code: number }) => resolve(code));
    call.on("error", () => {});
  });
}
