/** What a call script finds on both hosts beside the language: so much, and the examples use no more. */
declare const process: { env: Record<string, string | undefined> };
declare const console: Record<"log" | "info" | "warn" | "error" | "debug", (...values: unknown[]) => void>;
declare function setTimeout(callback: (...values: any[]) => void, ms?: number): unknown;
declare function clearTimeout(timer: unknown): void;
