import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A call, and all that its client sees of it. */
final class Calling extends ClientCall.Listener<byte[]> {
  /** No case takes so long, however busy the machine. */
  static final int LONG = 60;

  final LinkedBlockingQueue<byte[]> messages = new LinkedBlockingQueue<>();
  private final CountDownLatch closed = new CountDownLatch(1);
  private ClientCall<byte[], byte[]> call;
  volatile Metadata headers = new Metadata();
  volatile Metadata trailers = new Metadata();
  private volatile Status status;

  static Calling open(Channel channel, String path, MethodType type, Metadata metadata, long milliseconds) {
    var calling = new Calling();
    var options = CallOptions.DEFAULT.withDeadlineAfter(milliseconds, TimeUnit.MILLISECONDS);
    calling.call = channel.newCall(Peer.method(path, type), options);
    calling.call.start(calling, metadata);
    calling.call.request(Integer.MAX_VALUE);
    return calling;
  }

  void send(byte[] message) {
    call.sendMessage(message);
  }

  void halfClose() {
    call.halfClose();
  }

  void cancel() {
    call.cancel("no longer wanted", null);
  }

  /** The next message. */
  byte[] next() throws InterruptedException {
    byte[] message = messages.poll(LONG, TimeUnit.SECONDS);
    if (message == null) {
      throw new AssertionError("no message came: " + status);
    }
    return message;
  }

  /** How it ended. */
  Status ended() throws InterruptedException {
    if (!closed.await(LONG + 10, TimeUnit.SECONDS)) {
      throw new AssertionError("it does not end");
    }
    return status;
  }

  @Override
  public void onHeaders(Metadata headers) {
    this.headers = headers;
  }

  @Override
  public void onMessage(byte[] message) {
    messages.add(message);
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    this.status = status;
    this.trailers = trailers;
    closed.countDown();
  }
}
