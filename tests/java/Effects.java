import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** {@code ADDRESS\tRULE\tMETHOD\tDEADLINE\tREQUEST} (ms, hex) in each line of the input. */
final class Effects {
  private Effects() {}

  private static final Metadata.Key<String> FAULT = key("teal-fault");

  static void run() throws Exception {
    // Who speaks first pays for loading the library: no matter to what is measured.
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] fields = line.split("\t", -1);
      System.out.println(see(fields[0], fields[1], fields[2], Long.parseLong(fields[3]), fields[4]));
    }
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  /** One call on a channel of its own: a connection that one rule ends is no matter to the next. */
  private static String see(String address, String rule, String method, long milliseconds, String message) throws Exception {
    var channel = Peer.connect(address);
    var metadata = new Metadata();
    metadata.put(key("authorization"), "Bearer someone");
    metadata.put(key("strategy"), "blue");
    if (!rule.isEmpty()) {
      metadata.put(FAULT, rule);
    }
    long begun = System.nanoTime();
    var calling = Calling.open(channel, "QueryEngineService/" + method, MethodType.UNARY, metadata, milliseconds);
    calling.send(HexFormat.of().parseHex(message));
    calling.halfClose();
    Status status = calling.ended();
    long millis = (System.nanoTime() - begun) / 1_000_000;
    channel.shutdownNow();
    byte[] answer = status.isOk() ? calling.next() : new byte[0];
    String fault = calling.headers.containsKey(FAULT) ? calling.headers.get(FAULT) : calling.trailers.get(FAULT);
    String text = status.getDescription() == null ? "" : status.getDescription();
    return "{\"code\":" + json(status.getCode().name()) + ",\"text\":" + json(text) + ",\"message\":"
        + json(HexFormat.of().formatHex(answer)) + ",\"fault\":" + (fault == null ? "null" : json(fault)) + ",\"millis\":" + millis + "}";
  }

  private static String json(String text) {
    var json = new StringBuilder("\"");
    for (char each : text.toCharArray()) {
      if (each == '"' || each == '\\' || each < ' ') {
        json.append(String.format("\\u%04x", (int) each));
      } else {
        json.append(each);
      }
    }
    return json.append('"').toString();
  }
}
