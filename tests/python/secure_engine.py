"""An engine on grpcio that asks for certificates: `secure_engine.py AUTHORITY CERTIFICATE KEY`. It knows one method."""

import sys
import threading
from concurrent import futures

import grpc
from e6data_python_connector.server import e6x_engine_pb2 as pb
from e6data_python_connector.server import e6x_engine_pb2_grpc as pb_grpc

from tls import read


class Engine(pb_grpc.QueryEngineServiceServicer):
    def authenticate(self, request, context):
        return pb.AuthenticateResponse(sessionId="engine of a test")


authority, certificate, key = map(read, sys.argv[1:])
server = grpc.server(futures.ThreadPoolExecutor(4))
pb_grpc.add_QueryEngineServiceServicer_to_server(Engine(), server)
credentials = grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)
print("listens on", server.add_secure_port("127.0.0.1:0", credentials), flush=True)
server.start()
threading.Event().wait()
