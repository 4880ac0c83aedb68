import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;

/**
 * An engine with the limits that grpc-java has by default: 8 KiB of metadata, 4 MiB a message. What it is asked comes back, message
 * by message; ClientStream answers the sum of the sizes.
 */
final class Engine {
  private Engine() {}

  static final Metadata.Key<String> STATUS = Metadata.Key.of("status", Metadata.ASCII_STRING_MARSHALLER);
  static final Metadata.Key<String> DETAILS = Metadata.Key.of("details", Metadata.ASCII_STRING_MARSHALLER);
  static final Metadata.Key<byte[]> DETAILS_BIN = Metadata.Key.of("details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  static void serve() throws Exception {
    var service = ServerServiceDefinition.builder("teal.test.TestService");
    for (String name : new String[] {"Unary", "ServerStream", "ClientStream", "Bidi"}) {
      var method = Peer.method("teal.test.TestService/" + name, MethodType.BIDI_STREAMING);
      service.addMethod(method, (ServerCallHandler<byte[], byte[]>) (call, headers) -> new Call(name, call, headers));
    }
    Server server = ServerBuilder.forPort(0).addService(service.build()).build().start();
    System.out.println("serving " + server.getPort());
    System.in.readAllBytes();
    server.shutdownNow();
  }

  /** One call, whose metadata say how it ends and what metadata comes back: {@code echo-*} in front, {@code trailer-*} behind. */
  private static final class Call extends ServerCall.Listener<byte[]> {
    private final String name;
    private final ServerCall<byte[], byte[]> call;
    private final Metadata headers;
    private long total;

    Call(String name, ServerCall<byte[], byte[]> call, Metadata headers) {
      this.name = name;
      this.call = call;
      this.headers = headers;
      call.sendHeaders(picked("echo-"));
      call.request(1);
    }

    private Metadata picked(String prefix) {
      var picked = new Metadata();
      for (String key : headers.keys()) {
        if (!key.startsWith(prefix)) {
          continue;
        }
        if (key.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
          copy(Metadata.Key.of(key, Metadata.BINARY_BYTE_MARSHALLER), picked);
        } else {
          copy(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER), picked);
        }
      }
      return picked;
    }

    private <T> void copy(Metadata.Key<T> key, Metadata to) {
      for (T value : headers.getAll(key)) {
        to.put(key, value);
      }
    }

    @Override
    public void onMessage(byte[] message) {
      total += message.length;
      int times = name.equals("ClientStream") ? 0 : name.equals("ServerStream") ? 3 : 1;
      for (int time = 0; time < times; time++) {
        call.sendMessage(message);
      }
      call.request(1);
    }

    @Override
    public void onHalfClose() {
      Status end = Status.OK;
      if (headers.containsKey(STATUS)) {
        byte[] binary = headers.get(DETAILS_BIN);
        String details = binary == null ? headers.get(DETAILS) : new String(binary, StandardCharsets.UTF_8);
        end = Status.fromCodeValue(Integer.parseInt(headers.get(STATUS))).withDescription(details);
      } else if (name.equals("ClientStream")) {
        call.sendMessage(Long.toString(total).getBytes(StandardCharsets.US_ASCII));
      }
      call.close(end, picked("trailer-"));
    }
  }
}
