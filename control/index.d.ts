/**
 * Call control for mediaswitch. Times are milliseconds unless said otherwise; ports of servers are TCP ports.
 * Promises of the library do not reject for what the network does: they give `false`, and `call.error` says why.
 */

declare const projectcontrol: projectcontrol.ProjectControl & {
  /** The class, for a second one in tests; `host` as host/index.js says. */
  ProjectControl: new (host: object) => projectcontrol.ProjectControl;
};

declare namespace projectcontrol {
  /** Codec words; `g722` is `722`, `ilbc` is `ilbc@20`, `l16` is 8 kHz. */
  type Codec = "pcmu" | "pcma" | "722" | "g722" | "ilbc" | "ilbc@20" | "ilbc@30" | "l16" | "l16@16" | "2833";

  interface Address {
    host: string;
    port: number;
    /** Bearer token that is sent, or of `us` asked for. */
    token?: string;
    /** Of several servers: only taken when the others cannot be. */
    standby?: boolean;
  }

  /** One server or several; an URL or `host:port` will do for each, and a name stands for all its addresses. */
  type Servers = Address | string | (Address | string)[];

  interface OwnAddress extends Address {
    /** Address to listen on, if it is not `host`, under which others reach us. */
    listen?: string;
    /** Listen on an address that others can reach, without a token. */
    insecure?: boolean;
  }

  interface User {
    username: string;
    /** Clear text; this or `ha1`. */
    secret?: string;
    /** MD5 of `user:realm:secret`, 32 hex digits. */
    ha1?: string;
  }

  /** What `PUT /dir/{domain}` of project-sip takes beside the users. */
  interface DomainSettings {
    authentication?:
      | "challenge"
      | "none"
      | {
          policy?: "challenge" | "trusted" | "none";
          /** Networks that are not asked: `192.0.2.0/24`. */
          trusted?: string[];
          algorithms?: ("MD5" | "SHA-256" | "SHA-512-256")[];
          qop?: ("auth" | "auth-int")[];
          proxy?: boolean;
          /** SIP MESSAGE is taken; true once `onmessage` is set. */
          messages?: boolean;
        };
  }

  interface Party {
    user: string;
    domain?: string;
    /** Digest secret and user name, if the far end asks for them. */
    authsecret?: string;
    authuser?: string;
  }

  interface CallerId {
    number?: string;
    name?: string;
    private?: boolean;
  }

  /** A piece of a sound file, times in milliseconds. `loop`: extra plays, or for ever. */
  interface SoundFile {
    wav?: string;
    pcma?: string;
    pcmu?: string;
    l168k?: string;
    l1616k?: string;
    ilbc?: string;
    g722?: string;
    start?: number;
    stop?: number;
    loop?: boolean | number;
  }

  interface SoundSoup {
    loop?: boolean | number;
    /** A digit of the caller ends it. */
    interrupt?: boolean;
    files?: SoundFile[];
  }

  /** A soup that has files. */
  type Sounds = SoundSoup & { files: SoundFile[] };

  interface Gateway {
    from?: Partial<Party>;
    to?: { domain?: string };
    cid?: CallerId;
    codecs?: Codec[];
  }

  interface NewCall {
    /** Whom to call: `"1003"`, `"1003@domain"` or an object. */
    to: string | Party;
    from?: string | Party;
    /** 70, or one less than the call it is made for. */
    maxforwards?: number;
    cid?: CallerId;
    callerid?: CallerId;
    codecs?: Codec[];
    media?: Media;
    /** Through the first gateway. */
    forward?: boolean;
    /** Extra SIP headers. */
    headers?: Record<string, string>;
    /** Ask the phone to answer by itself. */
    autoanswer?: boolean;
    /** INVITE without SDP; ours follows in the ACK. */
    lateoffer?: boolean;
    /** The two phones send to each other, without a channel of ours, for as long as no verb needs one; not with `lateoffer`. */
    direct?: boolean;
    domain?: string;
    /** Most milliseconds from the answer; 0 is no limit. */
    maxduration?: number;
    /** 3xx: `false` is a failure, `"anywhere"` takes the contact's host; otherwise it is followed within the domain. */
    follow?: boolean | "anywhere";
    /** In `hunt`: how long this one rings, milliseconds. */
    ms?: number;
  }

  interface RecordOptions {
    /** Name under the RTP server's media folder. */
    file: string;
    format?: string;
    numchannels?: 1 | 2;
    startabovepower?: number;
    finishbelowpower?: number;
    /** Milliseconds. */
    minduration?: number;
    maxduration?: number;
    pause?: boolean;
  }

  /** Record of a call; times in milliseconds since 1970, 0 if it never came to it; durations in milliseconds. */
  interface CallRecord {
    callid?: string;
    uuid?: string;
    domain?: string;
    from?: string;
    to?: string;
    destination: string;
    direction: "in" | "out";
    callerid?: CallerId;
    agent?: string;
    transport?: string;
    remote?: { host: string; port: number };
    start: number;
    ring: number;
    answer: number;
    end: number;
    ringms: number;
    talkms: number;
    totalms: number;
    answered: boolean;
    endedby: "us" | "them" | null;
    cause: { code: number; text: string };
    /** Agreed with the far end, such as `PCMA/8000`, the one we send first. */
    codecs: string[];
    /** Final statistics of the channel, as project-rtp gives them. */
    media: object | null;
    /** The calls it was linked to, with their statistics at that moment. */
    legs: { callid: string; media: object | null }[];
    history: { when: number; what: string }[];
  }

  interface ChannelEvent {
    action: string;
    event: string;
    reason?: string;
    file?: string;
    /** Bytes. */
    filesize?: number;
    /** Of media: where they should come from; of `refused`, whose are taken. */
    expected?: { ip: string; port: number } | null;
    /** Of media: where they came from last; of `refused`, who was refused. */
    seen?: { ip: string; port: number } | null;
    [more: string]: any;
  }

  interface Conference {
    readonly name: string;
    readonly members: Call[];
    /** 64 unless set. */
    max: number;
    moh: SoundSoup;
    onjoin?: (call: Call, conference: Conference) => unknown;
    onleave?: (call: Call, conference: Conference) => unknown;
    /** Answers the call if need be. `false`: full, or no media. */
    add(call: Call): Promise<boolean>;
    remove(call: Call): Promise<boolean>;
    /** Of all voices, dB, also for those who come later. */
    gain(db: number): Promise<boolean>;
    /** The members who speak now, the loudest first. */
    speakers(): Promise<Call[]>;
  }

  /** All in milliseconds, see times.js. */
  interface Times {
    tryagain: number[];
    trylimit: number;
    reclaim: number[];
    watch: number;
    straggler: number;
    letgo: number;
    directory: number;
    health: number;
    healthlimit: number;
    resolve: number;
    audit: number;
  }

  interface CollectOptions {
    prompt?: SoundSoup;
    /** Played before the prompt of the next try. */
    invalid?: SoundSoup;
    count?: number;
    terminator?: string;
    pattern?: RegExp;
    /** Silence that ends a try, milliseconds; 5000. */
    ms?: number;
    /** 3. */
    tries?: number;
  }

  interface Ivr {
    /** @throws {TypeError} Neither `count` nor `terminator` nor `pattern`. */
    collect(call: Call, options: CollectOptions): Promise<string | undefined>;
    menu(call: Call, options: { prompt: SoundSoup; choices: Record<string, (call: Call) => unknown>; invalid?: SoundSoup; otherwise?: (call: Call) => unknown; ms?: number; tries?: number }): Promise<string | undefined>;
    voicemail(call: Call, options: { file: string; greeting?: SoundSoup; beep?: SoundSoup; maxduration?: number; minduration?: number; silence?: number; format?: string }): Promise<{ file: string; reason: string; filesize?: number } | undefined>;
    say: { number(value: number, folder?: string): Sounds; spell(digits: string, folder?: string): Sounds };
  }

  /** dB, -60 to 20; 0 leaves the sound as it is. */
  interface Gain {
    /** Of what the phone says. */
    in?: number;
    /** Of what the phone hears. */
    out?: number;
    /** Of all voices of the mix, while it lasts. */
    group?: number;
  }

  /** What a channel is to be like. */
  interface Media {
    /** Which address of the RTP server: `ipv4`, `ipv6`, or itself. Without it the first, or one of IPv6 for an offer of IPv6. */
    ip?: string;
    /** Bounds of the jitter buffer, milliseconds, 0 to 500. */
    jitter?: { min?: number; max?: number };
  }

  interface HangupReason {
    /** `busy`, `notfound`, `paymentrequired`, `declined`, `unavailable`, `forbidden`, `congestion`, or free text. */
    reason?: string;
    /** SIP status; wins over the word. */
    code?: number;
    headers?: Record<string, string>;
  }

  /** Snapshot of a call, as the SIP server sends it. */
  interface CallInfo {
    callid?: string;
    seq?: number;
    event?: "new" | "ringing" | "progress" | "answered" | "hold" | "unhold" | "reinvite" | "refer" | "dtmf" | "hangup";
    uuid?: string;
    domain?: string;
    to?: string;
    from?: string;
    contact?: string;
    maxforwards?: number;
    authenticated?: boolean;
    originator: boolean;
    ring: boolean;
    answered: boolean;
    hold: boolean;
    hangup: boolean;
    error?: { code: number; status: string };
    remote?: { host: string; port: number };
    refer?: { to: string; replaces?: string; referedby?: Call };
    /** Call-ID of the call that this one takes over. */
    replaces?: string;
    /** Of a 3xx, the best first. */
    contacts?: string[];
    /** How a `transfer` of ours goes. */
    transfer?: { code: number; status: string; over: boolean };
    sdp?: { them?: object; us?: object };
    /** Unix seconds, 0 is not yet. */
    epochs?: { start: number; ring: number; answer: number; end: number };
    /** The same in milliseconds. */
    epochsms?: { start: number; ring: number; answer: number; end: number };
    callerid?: CallerId;
    agent?: string;
    headers?: Record<string, string>;
    transport?: string;
    digits?: string;
  }

  interface Channel {
    readonly ip: string;
    /** UDP port. */
    readonly port: number;
    readonly control: Address;
    readonly uuid: string;
    readonly codecs: Codec[];
    /** Final statistics of the RTP server, once the channel is closed. */
    readonly stats: object | null;
    record(options: RecordOptions): Promise<Reply>;
    stoprecord(file?: string): Promise<Reply>;
    dtmf(digits: string, how?: { duration?: number; gap?: number }): Promise<Reply>;
    direction(ways: { send: boolean; recv: boolean }): Promise<Reply>;
    gain(levels: Gain): Promise<Reply>;
    mute(ways?: { in?: boolean; out?: boolean }): Promise<Reply>;
    unmute(): Promise<Reply>;
  }

  interface Reply {
    /** HTTP status; 503 with `unreachable` if the server was not reached. */
    code: number;
    message: string;
    json: any;
    unreachable?: boolean;
  }

  interface Metadata {
    family: { parent?: Call; children: Call[] };
    channel?: Channel;
    history: { when: number; what: string }[];
    [more: string]: any;
  }

  interface Registration {
    domain: string;
    user: string;
    host?: string;
    port?: number;
    agent?: string;
    transport?: string;
    /** Seconds. */
    expires?: number;
    /** JSON. */
    toString(): string;
  }

  interface Message {
    callid: string;
    domain: string;
    to: string;
    from: string;
    authenticated: boolean;
    callerid: { number: string; name: string; private: boolean };
    contenttype: string;
    body: string;
    remote: { host: string; port: number };
    transport: string;
    agent?: string;
  }

  type CallCallback = (this: Call, call: Call) => unknown;

  interface Call {
    callinfo: CallInfo;
    metadata: Metadata;
    /** Why it could not go on: a SIP status and a sentence. */
    error?: { code: number; message: string };

    info: CallInfo;
    readonly id: string;
    readonly ringing: boolean;
    readonly answered: boolean;
    readonly hungup: boolean;
    readonly hold: boolean;
    readonly originator: boolean;
    /** Its phone sends to that of the other call, and not to us. */
    readonly direct: boolean;
    readonly haserror: boolean;
    /** What was dialled; after a transfer, where to. */
    readonly destination: string;
    /** Who is at the far end. */
    readonly identity: { user: string; domain: string };
    readonly other: Call | false;
    readonly others: Call[];
    moh: SoundSoup;
    get history(): { when: number; what: string }[];
    set history(what: string);

    set onnewcall(callback: CallCallback);
    set onringing(callback: CallCallback);
    set onanswer(callback: CallCallback);
    set onhold(callback: CallCallback);
    set onoffhold(callback: CallCallback);
    set onhangup(callback: CallCallback);
    set onreporting(callback: CallCallback);
    set ondtmf(callback: (this: Call, call: Call, digit: string) => unknown);
    set onplay(callback: (this: Call, call: Call, event: ChannelEvent) => unknown);
    set onrecord(callback: (this: Call, call: Call, event: ChannelEvent) => unknown);
    set onmedia(callback: (this: Call, call: Call, event: ChannelEvent) => unknown);

    ring(alertinfo?: string): Promise<boolean>;
    early(options?: { codecs?: Codec[]; media?: Media }): Promise<boolean>;
    /** `true` when the far end has confirmed, `false` if the call ended first. */
    answer(options?: { codecs?: Codec[]; media?: Media }): Promise<boolean>;
    busy(): Promise<boolean>;
    notfound(): Promise<boolean>;
    paymentrequired(): Promise<boolean>;
    /** A word, a SIP status, or both. `true` when the call is over. */
    hangup(how?: string | number | HangupReason): Promise<boolean>;
    newcall(request: NewCall | string): Call;
    newcall(requests: (NewCall | string)[]): Call[];
    /** One after the other until somebody answers; `ms` for each step, 20 000. */
    hunt(steps: (NewCall | string | (NewCall | string)[])[], options?: { ms?: number }): Promise<Call | false>;
    /** 302, before the answer. */
    redirect(contacts: string | string[]): Promise<boolean>;
    /** REFER: the far end's phone calls `to`, or takes over that call of ours. */
    transfer(to: string | Call): Promise<boolean>;
    play(soup: SoundSoup): Promise<boolean>;
    /** Why it ended; `false` if it never began, the call ended, or `ms` passed. */
    playtoend(soup: SoundSoup, ms?: number): Promise<string | false>;
    waitforplay(ms?: number): Promise<string | false>;
    stop(): Promise<boolean>;
    ringback(soup: SoundSoup): Promise<boolean>;
    record(options: RecordOptions): Promise<boolean>;
    stoprecord(file?: string): Promise<boolean>;
    /** `duration` and `gap` in milliseconds. */
    dtmf(digits: string, how?: { duration?: number; gap?: number }): Promise<boolean>;
    direction(ways: { send: boolean; recv: boolean }): Promise<boolean>;
    /** In the mix; what is played to the call alone stays as it is. */
    gain(levels: Gain): Promise<boolean>;
    /** `in`: nobody hears it; `out`: it hears nobody; both if left out. Digits are still told. */
    mute(ways?: { in?: boolean; out?: boolean }): Promise<boolean>;
    /** Ends mute both ways. */
    unmute(): Promise<boolean>;
    /** Who speaks now in its mix, the loudest first, at most 16. */
    speakers(): Promise<Call[]>;
    /** We hold the far end; `hold` says whether it holds us. */
    putonhold(soup?: SoundSoup): Promise<boolean>;
    unhold(): Promise<boolean>;
    echo(): Promise<boolean>;
    mix(other?: Call | CallCallback): Promise<boolean>;
    unmix(oncomplete?: CallCallback): Promise<boolean>;
    link(other: Call | false): void;
    unlink(): void;
    clearcallbacks(): void;
    waitforanswer(ms?: number): Promise<boolean>;
    waitforhangup(ms?: number): Promise<boolean>;
    /** Digits that match, `undefined` after `ms` (60 000) or at the end of the call. */
    waitfortelevents(pattern?: RegExp, ms?: number): Promise<string | undefined>;
    /** Forgets digits pressed and not waited for. */
    cleartelevents(): void;
    /** Runs `callback` after `ms` unless the call ends first. @returns What cancels it. */
    after(ms: number, callback: () => unknown): () => void;
    /** Complete once `onreporting` runs. */
    readonly cdr: CallRecord;
    /** Most milliseconds from the answer; 0 is no limit. */
    maxduration: number;
    /** It outlives its last child. */
    stays: boolean;
    /** We hold the far end. */
    readonly held: boolean;
  }

  interface ProjectControl {
    sip: Servers;
    rtp: Servers;
    us: OwnAddress;
    times: Times;
    /** Whose order of codecs counts when we answer. */
    prefer: "theirs" | "ours";
    /** What the channels of all calls are to be like. */
    media: Media;
    /** For all calls, milliseconds; 0 is no limit. */
    maxduration: number;
    readonly ivr: Ivr;
    conference(name: string): Conference;
    codecs: Codec[];
    moh: SoundSoup;
    gateways: Gateway[];
    get gw(): Gateway | undefined;
    set gw(gateway: Gateway);
    maxcalls: number;
    draining: boolean;
    readonly calls: Record<string, Call>;
    readonly url: string;

    set onnewcall(callback: CallCallback);
    set onringing(callback: CallCallback);
    set onanswer(callback: CallCallback);
    set onhold(callback: CallCallback);
    set onoffhold(callback: CallCallback);
    set onhangup(callback: CallCallback);
    set onreporting(callback: CallCallback);
    set onreg(callback: (registration: Registration) => unknown);
    set ondereg(callback: (registration: Registration) => unknown);
    /** Text of a phone (SIP MESSAGE); domains that `directory` names after this is set take them. */
    set onmessage(callback: (message: Message) => unknown);

    /** Users of a domain and, if not the usual, whom it asks for a password. */
    directory(domain: string, users: User[], settings?: DomainSettings): Promise<boolean>;
    newcall(request: NewCall | string): Call;
    /** Calls `from`; when that answers, runs `onnewcall` as if it had dialled `to`. */
    connect(request: NewCall & { from: string | Party }): Promise<Call>;
    run(): Promise<void>;
    stop(options?: { hangup?: boolean }): Promise<void>;
    sipserver(request: object | undefined, path: string, method?: string, callback?: (reply: Reply) => unknown): Promise<Reply>;
    rtpserver(request: object | undefined, path: string, method?: string, callback?: (reply: Reply) => unknown): Promise<Reply>;
  }
}

export = projectcontrol;
