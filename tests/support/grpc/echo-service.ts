/** A gRPC service on the real library: a server that counts its calls, and the stub of its clients. */

import { join } from "node:path";

import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export interface Message {
  readonly text?: string;
  readonly payload?: Buffer;
  readonly number?: number;
}

/** A bundle names the folder of the definitions, which are not in it. */
const folder = process.env["GRPC_PROTOS"] ?? import.meta.dirname;
const definition = loadSync(["echo.proto", "health.proto"].map((name) => join(folder, name)));
const loaded = loadPackageDefinition(definition) as unknown as {
  readonly echo: { readonly Echo: ServiceClientConstructor };
  readonly grpc: { readonly health: { readonly v1: { readonly Health: ServiceClientConstructor } } };
};

/** The health of services by name; the empty one is the server's. */
const health: Readonly<Record<string, number | undefined>> = { "": 1, "echo.Echo": 1, "echo.Down": 2 };
export const EchoService = loaded.echo.Echo;

export interface EchoCounts {
  readonly calls: number;
  /** Streaming calls that have begun and not ended. */
  readonly open: number;
}

export interface EchoServer {
  readonly port: number;
  counts(): EchoCounts;
  close(): void;
}

const maxMessageBytes = 16_000_000;

export async function startEchoServer(tls?: {
  readonly cert: Buffer;
  readonly key: Buffer;
}): Promise<EchoServer> {
  const server = new Server({ "grpc.max_receive_message_length": maxMessageBytes });
  const counts = { open: 0, calls: 0 };
  const begin = (call: { on(event: "cancelled", listener: () => void): unknown }) => {
    counts.calls += 1;
    counts.open += 1;
    let isOpen = true;
    const end = () => {
      if (isOpen) counts.open -= 1;
      isOpen = false;
    };
    call.on("cancelled", end);
    return end;
  };
  server.addService(EchoService.service, {
    Unary(call: ServerUnaryCall<Message, Message>, respond: sendUnaryData<Message>) {
      begin(call)();
      const metadata = new Metadata();
      metadata.set("x-seen", String(call.metadata.get("x-sent")[0] ?? ""));
      call.sendMetadata(metadata);
      const trailers = new Metadata();
      trailers.set("x-trailer", "last");
      respond(null, call.request, trailers);
    },
    Collect(call: ServerReadableStream<Message, Message>, respond: sendUnaryData<Message>) {
      const end = begin(call);
      const texts: string[] = [];
      let bytes = 0;
      call.on("data", ({ text = "", payload }: Message) => {
        texts.push(text);
        bytes += payload?.length ?? 0;
      });
      call.on("end", () => {
        end();
        respond(null, { text: texts.join(","), number: bytes });
      });
    },
    Repeat(call: ServerWritableStream<Message, Message>) {
      const end = begin(call);
      for (let i = 0; i < (call.request.number ?? 0); i++)
        call.write({ text: `${call.request.text} ${i}`, number: i });
      call.end();
      end();
    },
    Chat(call: ServerDuplexStream<Message, Message>) {
      const end = begin(call);
      call.on("data", (message: Message) => call.write(message));
      call.on("end", () => {
        call.end();
        end();
      });
    },
    Fail(call: ServerUnaryCall<Message, Message>, respond: sendUnaryData<Message>) {
      begin(call)();
      const metadata = new Metadata();
      metadata.set("x-detail-bin", Buffer.from([0, 1, 254, 255]));
      respond({ code: call.request.number ?? 2, details: "no: 50 % é\nend", metadata });
    },
    Wait(call: ServerUnaryCall<Message, Message>, respond: sendUnaryData<Message>) {
      const end = begin(call);
      setTimeout(() => {
        end();
        respond(null, { text: "late" });
      }, call.request.number ?? 0);
    },
    Endless(call: ServerWritableStream<Message, Message>) {
      const end = begin(call);
      const timer = setInterval(() => call.write({ payload: Buffer.alloc(1_000) }), 1);
      call.on("cancelled", () => {
        clearInterval(timer);
        end();
      });
    },
  });
  server.addService(loaded.grpc.health.v1.Health.service, {
    Check(
      { request }: ServerUnaryCall<{ readonly service: string }, object>,
      respond: sendUnaryData<object>,
    ) {
      const status = health[request.service ?? ""];
      if (status === undefined) respond({ code: 5, details: "unknown service" });
      else respond(null, { status });
    },
  });
  const secure = tls && ServerCredentials.createSsl(null, [{ cert_chain: tls.cert, private_key: tls.key }]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", secure ?? ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return {
    port,
    counts: () => counts,
    close: () => server.forceShutdown(),
  };
}

type Answer = (error: ServiceError | null, message: Message | undefined) => void;
type UnaryCall = (message: Message, metadata: Metadata, options: object, answer: Answer) => ClientUnaryCall;

export interface EchoClient {
  call(method: "Unary" | "Fail" | "Wait"): UnaryCall;
  collect(answer: Answer): ClientWritableStream<Message>;
  repeat(message: Message): ClientReadableStream<Message>;
  chat(): ClientDuplexStream<Message, Message>;
  endless(message: Message): ClientReadableStream<Message>;
  close(): void;
}

/** The stub as the loader makes it. */
type Stub = Record<"Unary" | "Fail" | "Wait", UnaryCall> & {
  Collect: EchoClient["collect"];
  Repeat: EchoClient["repeat"];
  Chat: EchoClient["chat"];
  Endless: EchoClient["endless"];
  close(): void;
};

export function echoClient(port: number, tls?: { readonly ca: Buffer; readonly name: string }): EchoClient {
  const channel = tls ? credentials.createSsl(tls.ca) : credentials.createInsecure();
  const stub = new EchoService(`127.0.0.1:${port}`, channel, {
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    ...(tls && { "grpc.ssl_target_name_override": tls.name, "grpc.default_authority": tls.name }),
  }) as unknown as Stub;
  return {
    call: (method) => stub[method].bind(stub),
    collect: stub.Collect.bind(stub),
    repeat: stub.Repeat.bind(stub),
    chat: stub.Chat.bind(stub),
    endless: stub.Endless.bind(stub),
    close: () => stub.close(),
  };
}
