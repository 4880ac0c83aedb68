import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.concurrent.TimeUnit;

/**
 * grpc-java as an engine and as a client, with messages of bare bytes.
 *
 * <p>{@code Peer serve}: an engine; says "serving PORT", ends with its input. {@code Peer call ADDRESS}: the interop cases of gRPC
 * against an engine of these tests. {@code Peer effects}: what grpc-java sees of each fault.
 */
public final class Peer {
  private Peer() {}

  /** A message is the bytes that it is made of. */
  static final MethodDescriptor.Marshaller<byte[]> BARE =
      new MethodDescriptor.Marshaller<byte[]>() {
        @Override
        public InputStream stream(byte[] message) {
          return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  static MethodDescriptor<byte[], byte[]> method(String path, MethodType type) {
    return MethodDescriptor.newBuilder(BARE, BARE).setFullMethodName(path).setType(type).build();
  }

  static io.grpc.ManagedChannel connect(String address) {
    return ManagedChannelBuilder.forTarget(address)
        .usePlaintext()
        .disableRetry()
        .maxInboundMessageSize(64 << 20)
        .build();
  }

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "serve" -> Engine.serve();
      case "call" -> {
        var channel = connect(args[1]);
        Cases.run(channel);
        channel.shutdown().awaitTermination(10, TimeUnit.SECONDS);
      }
      case "effects" -> Effects.run();
      default -> throw new IllegalArgumentException("expected serve, call or effects");
    }
    // Threads of the library must not keep the program.
    System.exit(0);
  }
}
