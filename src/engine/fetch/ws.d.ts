/** Declares what we use of the package `ws`, which Bun has built in. */

declare module "ws" {
  /** A WebSocket with the limit on messages that the standard one lacks. */
  export class WebSocket {
    constructor(
      url: string,
      protocols: readonly string[],
      options: {
        readonly headers: Readonly<Record<string, string>>;
        /** Maximum size of a received message, in bytes. */
        readonly maxPayload: number;
        readonly perMessageDeflate: boolean;
        readonly ca?: string;
        readonly servername?: string;
        readonly rejectUnauthorized?: boolean;
      },
    );
    binaryType: "arraybuffer";
    readonly bufferedAmount: number;
    readonly protocol: string;
    readonly readyState: number;
    static readonly OPEN: number;
    send(message: string | Uint8Array, onSent: () => void): void;
    close(code?: number, reason?: string): void;
    terminate(): void;
    pause(): void;
    resume(): void;
    addEventListener(type: "open", listener: () => void): void;
    addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
    addEventListener(type: "error", listener: (event: object) => void): void;
    addEventListener(
      type: "close",
      listener: (event: { readonly code: number; readonly reason: string }) => void,
    ): void;
  }
}
