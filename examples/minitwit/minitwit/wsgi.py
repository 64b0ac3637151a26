"""What gunicorn loads: the application with the settings of this process's environment."""

from minitwit.application import create_application
from minitwit.settings import read_settings

application = create_application(read_settings())
