import io.grpc.Channel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/** The cases, by the names that gRPC's interop tests give them. */
final class Cases {
  private interface Case {
    void run() throws Exception;
  }

  private final Channel channel;

  private Cases(Channel channel) {
    this.channel = channel;
  }

  static void run(Channel channel) throws Exception {
    var cases = new Cases(channel).all();
    for (Map.Entry<String, Case> one : cases.entrySet()) {
      long begun = System.nanoTime();
      try {
        one.getValue().run();
      } catch (Throwable problem) {
        problem.printStackTrace();
        System.err.println(one.getKey() + ": " + problem);
        System.exit(1);
      }
      System.out.println("ok " + one.getKey() + " (" + (System.nanoTime() - begun) / 1_000_000 + " ms)");
    }
    System.out.println(cases.size() + " cases hold");
  }

  private Map<String, Case> all() {
    var cases = new LinkedHashMap<String, Case>();
    cases.put("empty_unary", () -> {
      same(sizes(finished("Unary", new Metadata(), new byte[0])), "[0]");
    });
    cases.put("large_unary", () -> {
      byte[] request = new byte[4_000_000];
      Arrays.fill(request, (byte) 7);
      same(Arrays.equals(finished("Unary", new Metadata(), request).next(), request), true);
    });
    cases.put("client_streaming", () -> {
      var calling = finished("ClientStream", new Metadata(), new byte[27182], new byte[8], new byte[1828], new byte[45904]);
      same(new String(calling.next(), StandardCharsets.US_ASCII), "74922");
    });
    cases.put("server_streaming", () -> {
      same(sizes(finished("ServerStream", new Metadata(), new byte[31415])), "[31415, 31415, 31415]");
    });
    cases.put("ping_pong", () -> {
      var calling = open("Bidi", new Metadata());
      for (int size : new int[] {27182, 8, 1828, 45904}) {
        calling.send(new byte[size]);
        same(calling.next().length, size);
      }
      calling.halfClose();
      same(calling.ended().getCode(), Status.Code.OK);
    });
    cases.put("empty_stream", () -> same(sizes(finished("Bidi", new Metadata())), "[]"));
    cases.put("custom_metadata", this::customMetadata);
    cases.put("status_code_and_message", () -> endsWith("test status message"));
    cases.put("special_status_message", () ->
        endsWith("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"));
    cases.put("unimplemented_method", () -> {
      var calling = open("NoSuchMethod", new Metadata());
      calling.send(new byte[0]);
      calling.halfClose();
      same(calling.ended().getCode(), Status.Code.UNIMPLEMENTED);
    });
    cases.put("cancel_after_begin", () -> {
      var calling = open("ClientStream", new Metadata());
      calling.cancel();
      same(calling.ended().getCode(), Status.Code.CANCELLED);
    });
    cases.put("cancel_after_first_response", () -> {
      var calling = open("Bidi", new Metadata());
      calling.send(new byte[27182]);
      same(calling.next().length, 27182);
      calling.cancel();
      same(calling.ended().getCode(), Status.Code.CANCELLED);
    });
    cases.put("timeout_on_sleeping_server", () -> {
      var calling = Calling.open(channel, "teal.test.TestService/Bidi", MethodType.BIDI_STREAMING, new Metadata(), 50);
      same(calling.ended().getCode(), Status.Code.DEADLINE_EXCEEDED);
    });
    return cases;
  }

  private void customMetadata() throws Exception {
    var initial = Metadata.Key.of("echo-initial", Metadata.ASCII_STRING_MARSHALLER);
    var trailing = Metadata.Key.of("trailer-bin", Metadata.BINARY_BYTE_MARSHALLER);
    byte[] every = new byte[256];
    for (int at = 0; at < every.length; at++) {
      every[at] = (byte) at;
    }
    for (String method : new String[] {"Unary", "Bidi"}) {
      var metadata = new Metadata();
      metadata.put(initial, "test_initial_metadata_value");
      metadata.put(trailing, every);
      var calling = finished(method, metadata, new byte[1]);
      same(calling.headers.get(initial), "test_initial_metadata_value");
      same(Arrays.equals(calling.trailers.get(trailing), every), true);
    }
  }

  private void endsWith(String message) throws Exception {
    for (String method : new String[] {"Unary", "Bidi"}) {
      var metadata = new Metadata();
      metadata.put(Engine.STATUS, "2");
      metadata.put(Engine.DETAILS_BIN, message.getBytes(StandardCharsets.UTF_8));
      var calling = open(method, metadata);
      calling.send(new byte[1]);
      calling.halfClose();
      same(calling.ended().getCode(), Status.Code.UNKNOWN);
      same(calling.ended().getDescription(), message);
    }
  }

  private Calling open(String method, Metadata metadata) {
    String path = "teal.test.TestService/" + method;
    return Calling.open(channel, path, MethodType.BIDI_STREAMING, metadata, Calling.LONG * 1000L);
  }

  /** A call with these messages that has ended well. */
  private Calling finished(String method, Metadata metadata, byte[]... requests) throws Exception {
    var calling = open(method, metadata);
    for (byte[] request : requests) {
      calling.send(request);
    }
    calling.halfClose();
    same(calling.ended().getCode(), Status.Code.OK);
    return calling;
  }

  private static String sizes(Calling calling) {
    return Arrays.toString(calling.messages.stream().mapToInt(message -> message.length).toArray());
  }

  private static void same(Object found, Object expected) {
    if (!Objects.equals(found, expected)) {
      throw new AssertionError("found " + found + " instead of " + expected);
    }
  }
}
